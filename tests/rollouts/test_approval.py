import threading
from dataclasses import replace

import pytest
from django.db import connection

from apps.accounts.rights import Role
from apps.core.errors import Conflict, Forbidden, Wrong
from apps.core.models import AuditRow
from apps.rollouts import services
from apps.rollouts.models import Rollout
from apps.rollouts.services.authoring import Content
from apps.rollouts.states import RolloutState
from tests.factories.rollouts import NOON, QUICK, PersonFactory, Scene

pytestmark = pytest.mark.django_db


def content_of(scene: Scene, **changes) -> Content:
    ids = tuple(machine.device.pk for machine in scene.machines)
    return replace(Content(scene.new.pk, "To the new one", ids, QUICK), **changes)


def submitted() -> Scene:
    scene = Scene(running=False)
    services.rollout_submit(rollout_id=scene.id, by=scene.author, now=NOON)
    return scene


def approve(scene: Scene, by, content_hash: str | None = None) -> None:
    services.rollout_approve(
        rollout_id=scene.id, by=by, content_hash=content_hash or scene.rollout.content_hash, comment="", now=NOON
    )


def test_nobody_approves_what_they_wrote_submitted_or_edited():
    scene, helper = submitted(), PersonFactory(role=Role.ADMIN)
    services.rollout_edit(rollout_id=scene.id, content=content_of(scene), by=helper, now=NOON)
    services.rollout_submit(rollout_id=scene.id, by=scene.author, now=NOON)

    for author in (scene.author, helper):
        with pytest.raises(Forbidden) as refused:
            approve(scene, author)
        assert refused.value.code == "self_approval"
    assert scene.rollout.state == RolloutState.AWAITING_APPROVAL


def test_another_person_approves_and_the_audit_names_the_content():
    scene = submitted()
    approve(scene, scene.approver)

    row = AuditRow.objects.get(verb="rollout_approve")
    assert scene.rollout.state == RolloutState.SCHEDULED
    assert row.detail["content_hash"] == scene.rollout.content_hash
    assert row.actor == f"user:{scene.approver.username}"


def test_an_edit_voids_the_submission():
    scene = submitted()
    seen = scene.rollout.content_hash
    services.rollout_edit(rollout_id=scene.id, content=content_of(scene, name="Another"), by=scene.author, now=NOON)

    assert (scene.rollout.state, scene.rollout.content_hash) == (RolloutState.DRAFT, "")
    services.rollout_submit(rollout_id=scene.id, by=scene.author, now=NOON)
    with pytest.raises(Conflict) as refused:
        approve(scene, scene.approver, content_hash=seen)
    assert refused.value.code == "content_changed"


def test_a_row_that_changed_behind_the_submission_is_not_approved():
    scene = submitted()
    Rollout.objects.filter(pk=scene.id).update(plan=replace(QUICK, soak_s=1).as_json())

    with pytest.raises(Conflict):
        approve(scene, scene.approver)


def test_a_device_belongs_to_one_rollout_at_a_time():
    scene = Scene()
    other = services.rollout_create(
        version_id=scene.old.pk,
        name="At the same time",
        device_ids=[scene.machines[0].device.pk],
        plan=QUICK,
        by=scene.author,
        now=NOON,
    )
    services.rollout_submit(rollout_id=other.pk, by=scene.author, now=NOON)
    other.refresh_from_db()

    with pytest.raises(Conflict) as refused:
        services.rollout_approve(
            rollout_id=other.pk, by=scene.approver, content_hash=other.content_hash, comment="", now=NOON
        )
    assert refused.value.code == "devices_busy"


def test_a_role_without_the_permission_is_refused():
    scene = submitted()
    with pytest.raises(Forbidden):
        approve(scene, PersonFactory(role=Role.REVIEWER))


def test_a_role_at_one_of_two_sites_is_not_enough():
    scene = submitted()
    site_id = scene.machines[0].device.line.site_id
    with pytest.raises(Forbidden):
        approve(scene, PersonFactory(role=Role.APPROVER, role__site_id=site_id))


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": ""}, "name"), ({"device_ids": ()}, "device_ids"), ({"plan": replace(QUICK, shares=())}, "shares")],
)
def test_a_rollout_that_cannot_be_carried_out_is_refused_by_field(changes, field):
    scene = Scene(running=False)
    with pytest.raises(Wrong) as refused:
        services.rollout_edit(rollout_id=scene.id, content=content_of(scene, **changes), by=scene.author, now=NOON)
    assert field in refused.value.fields


def test_only_a_published_version_can_be_rolled_out():
    scene = Scene(running=False)
    type(scene.new).objects.update(state="withdrawn")
    with pytest.raises(Wrong) as refused:
        services.rollout_edit(rollout_id=scene.id, content=content_of(scene), by=scene.author, now=NOON)
    assert "version_id" in refused.value.fields


def race(*acts) -> list[str]:
    """Run both at once; per act, whether it was done or refused."""
    outcomes = []

    def attempt(act):
        try:
            act()
            outcomes.append("done")
        except (Conflict, Forbidden):
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_an_edit_that_races_an_approval_never_leaves_unseen_content_approved(turn):
    scene = submitted()
    seen, edit = scene.rollout.content_hash, content_of(scene, name=f"Changed {turn}")

    outcomes = race(
        lambda: approve(scene, scene.approver, content_hash=seen),
        lambda: services.rollout_edit(rollout_id=scene.id, content=edit, by=scene.author, now=NOON),
    )

    assert outcomes == ["done", "refused"]
    is_approved = scene.rollout.state == RolloutState.SCHEDULED
    assert is_approved == (scene.rollout.name == "To the new one")

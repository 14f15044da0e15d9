import pytest
from django.urls import reverse

from apps.accounts.rights import Role
from apps.rollouts import services
from apps.rollouts.models import Rollout
from apps.rollouts.states import RolloutState
from edge_agent.wire.words import UpdateState
from tests.factories.rollouts import NOON, PersonFactory, Scene

pytestmark = pytest.mark.django_db
PASSWORD = "long enough for a test"


def page_of(client, scene: Scene, person=None) -> str:
    client.force_login(person or scene.author)
    reply = client.get(reverse("rollouts:detail", args=[scene.id]))
    assert reply.status_code == 200
    return reply.content.decode()


def submitted() -> Scene:
    scene = Scene(running=False)
    services.rollout_submit(rollout_id=scene.id, by=scene.author, now=NOON)
    return scene


def decide(client, scene: Scene, person, decision: str = "approve", **changes):
    person.set_password(PASSWORD)
    person.save()
    client.force_login(person)
    shown = {"content_hash": scene.rollout.content_hash, "comment": "", "password": PASSWORD}
    form = {"decision": decision} | shown | changes
    return client.post(reverse("rollouts:decide", args=[scene.id]), form)


def use(client, scene: Scene, verb: str, person=None, **form):
    client.force_login(person or scene.author)
    return client.post(reverse("rollouts:verb", args=[scene.id]), {"verb": verb, **form})


def form_of(scene: Scene, **changes) -> dict:
    values = {
        "name": "Second line first", "version": scene.new.pk, "shares": "30, 100", "soak_s": 10, "min_items": 5,
        "device_ids": [str(machine.device.pk) for machine in scene.machines], "max_failure_ratio": 10,
        "max_error_ratio": 2, "max_late_ratio": 5, "max_cannot_judge_ratio": 5, "offer_timeout_s": 60,
        "max_wait_s": 3600, "probation_items": 5, "probation_s": 30, "on_failure": "pause", "act": "save",
    }  # fmt: skip
    return values | changes


def test_a_person_drafts_a_rollout_by_form(client):
    scene = Scene(running=False)
    client.force_login(scene.author)

    client.post(reverse("rollouts:create"), form_of(scene))

    made = Rollout.objects.exclude(pk=scene.id).get()
    assert (made.name, made.state, made.plan["max_error_ratio"]) == ("Second line first", "draft", 0.02)
    assert made.stages.count() == 2


def test_the_preview_names_each_stage_and_saves_nothing(client):
    scene = Scene(running=False)
    client.force_login(scene.author)
    reply = client.post(reverse("rollouts:create"), form_of(scene, act="preview")).content.decode()
    assert "1 device:" in reply
    assert "2 devices:" in reply
    assert Rollout.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"device_ids": []}, "Choose at least one device."),
        ({"shares": "a few"}, "Write the stages as numbers"),
        ({"shares": "50, 20"}, "Shares grow from stage to stage and end at 100 %."),
        ({"max_error_ratio": 120}, "A limit lies between 0 and 100 %."),
        ({"device_ids": ["nonsense"]}, "Select a valid choice"),
    ],
)
def test_a_wrong_form_says_so_beside_the_field(client, changes, sentence):
    scene = Scene(running=False)
    client.force_login(scene.author)
    reply = client.post(reverse("rollouts:create"), form_of(scene, **changes))
    assert sentence in reply.content.decode()
    assert Rollout.objects.count() == 1


def test_a_device_that_is_left_out_says_why(client):
    scene = Scene()
    client.force_login(scene.author)
    page = client.get(reverse("rollouts:create")).content.decode()
    assert "It belongs to the rollout “To the new one”, which has not ended." in page


def test_without_a_published_version_the_form_says_what_comes_first(client):
    client.force_login(PersonFactory(role=Role.ADMIN))
    assert "No published version" in client.get(reverse("rollouts:create")).content.decode()


def test_an_author_cannot_approve_by_the_page(client):
    scene = submitted()
    assert "You wrote this rollout; another person has to approve it." in page_of(client, scene)
    decide(client, scene, scene.author)
    assert scene.rollout.state == RolloutState.AWAITING_APPROVAL


def test_another_person_approves_what_the_page_showed(client):
    scene = submitted()
    assert decide(client, scene, scene.approver).status_code == 302
    assert scene.rollout.state == RolloutState.SCHEDULED


def test_content_that_is_not_what_the_page_showed_is_not_approved(client):
    scene = submitted()
    decide(client, scene, scene.approver, content_hash="0" * 64)
    assert scene.rollout.state == RolloutState.AWAITING_APPROVAL


@pytest.mark.parametrize(
    ("password", "sentence"), [("", "This field is required."), ("guessed", "This is not your password.")]
)
def test_an_approval_needs_the_own_password_once_more(client, password, sentence):
    scene = submitted()
    reply = decide(client, scene, scene.approver, password=password, comment="Looks right.")
    assert reply.status_code == 422
    page = reply.content.decode()
    assert sentence in page
    assert "Looks right." in page
    assert scene.rollout.state == RolloutState.AWAITING_APPROVAL


def test_a_rejection_needs_no_password(client):
    scene = submitted()
    decide(client, scene, scene.approver, "reject", password="")
    assert scene.rollout.state == RolloutState.REJECTED


def test_guesses_at_the_password_of_an_open_session_are_cut_off(client):
    scene = submitted()
    replies = [decide(client, scene, scene.approver, password=f"guess {number}") for number in range(11)]
    assert "Too many failed attempts" in replies[-1].content.decode()
    decide(client, scene, scene.approver)
    assert scene.rollout.state == RolloutState.AWAITING_APPROVAL


def test_a_rejection_keeps_its_comment(client):
    scene = submitted()
    decide(client, scene, scene.approver, "reject", comment="not before Monday")
    assert (scene.rollout.state, scene.rollout.decision_comment) == ("rejected", "not before Monday")


def test_an_edit_by_the_page_voids_the_submission(client):
    scene = submitted()
    client.force_login(scene.author)
    client.post(reverse("rollouts:edit", args=[scene.id]), form_of(scene, name="Edited"))
    assert (scene.rollout.state, scene.rollout.name) == (RolloutState.DRAFT, "Edited")


def test_the_page_says_in_a_sentence_what_the_rollout_waits_for(client):
    scene = Scene()
    assert "Stage 1 of 2 is deploying: 1 of 1 devices still updating" in page_of(client, scene)
    scene.offered()[0].step(UpdateState.FAILED, scene.now, reason="disk full")
    scene.tick(1)
    page = page_of(client, scene)
    assert "Paused: Stage 1 failed: Update failures 100.0% above the limit of 10.0% (n = 1 devices)." in page
    assert "disk full" in page


def test_a_rollout_that_ended_shows_its_last_judgement(client):
    scene = Scene()
    scene.pass_stage()
    scene.pass_stage()
    page = page_of(client, scene)
    assert scene.rollout.state == RolloutState.COMPLETED
    assert "Gate: pass" in page
    assert "2 of 2 devices confirmed" in page
    assert "The gate opens" not in page


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("stop", "stopped"), ("roll_back", "returning")])
def test_each_verb_acts_by_its_button(client, verb, state):
    scene = Scene()
    use(client, scene, verb)
    assert scene.rollout.state == state


def test_stop_asks_for_the_reason_after_it_acted(client):
    scene = Scene()
    use(client, scene, "stop")
    assert "Why?" in page_of(client, scene)
    client.post(reverse("rollouts:reason", args=[scene.id]), {"reason": "glare on line 2"})
    assert "glare on line 2" in page_of(client, scene)
    assert "Why?" not in page_of(client, scene)


def test_a_verb_that_cannot_be_used_is_disabled_with_its_reason(client):
    scene = Scene()
    assert "Not while the rollout is running." in page_of(client, scene)
    use(client, scene, "resume")
    use(client, scene, "dance")
    assert scene.rollout.state == RolloutState.RUNNING


def test_a_viewer_sees_the_rollout_and_cannot_use_a_verb(client):
    scene, viewer = Scene(), PersonFactory(role=Role.VIEWER)
    assert "Your role does not allow this" in page_of(client, scene, viewer)
    assert use(client, scene, "stop", viewer).status_code == 403
    assert scene.rollout.state == RolloutState.RUNNING


def test_a_rollout_of_another_site_does_not_exist_for_a_person_of_this_one(client):
    scene = Scene()
    other_site_id = scene.machines[0].device.line.site_id + 1000
    client.force_login(PersonFactory(role=Role.VIEWER, role__site_id=other_site_id))
    assert client.get(reverse("rollouts:detail", args=[scene.id])).status_code == 404
    assert "No rollout yet" in client.get(reverse("rollouts:list")).content.decode()


def test_the_fragment_is_the_part_of_the_page_that_moves(client):
    scene = Scene()
    client.force_login(scene.author)
    for name, args in (("rollouts:detail_live", [scene.id]), ("rollouts:list_live", [])):
        reply = client.get(reverse(name, args=args)).content.decode()
        assert "<html" not in reply
        assert "hx-trigger" in reply


def test_a_rollout_costs_the_page_no_more_queries_per_device(client, django_assert_max_num_queries):
    scene = Scene(machine_count=12)
    client.force_login(scene.author)
    with django_assert_max_num_queries(60):
        client.get(reverse("rollouts:detail_live", args=[scene.id]))


def test_the_api_lists_rollouts_with_their_stages(client):
    scene = Scene()
    client.force_login(scene.author)
    reply = client.get(reverse("api:rollout_list"), {"state": "running"}).json()
    assert [row["name"] for row in reply["results"]] == ["To the new one"]
    assert [stage["state"] for stage in reply["results"][0]["stages"]] == ["deploying", "waiting"]

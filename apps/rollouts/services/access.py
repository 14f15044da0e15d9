"""Who may use a verb on a rollout now: right, sites, state and authorship, checked under the row's lock."""

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import Scope, scope
from apps.core.errors import Conflict, Forbidden, NotFound
from apps.rollouts.models import Rollout, Stage
from apps.rollouts.policy import VerbFacts, refusal
from apps.rollouts.states import TARGET_OPEN, RolloutState, StageState, Verb

PERMISSION_OF: dict[Verb, Permission] = {
    Verb.EDIT: Permission.PLAN_ROLLOUT,
    Verb.SUBMIT: Permission.PLAN_ROLLOUT,
    Verb.APPROVE: Permission.APPROVE_ROLLOUT,
    Verb.REJECT: Permission.APPROVE_ROLLOUT,
    Verb.PAUSE: Permission.OPERATE_ROLLOUT,
    Verb.RESUME: Permission.OPERATE_ROLLOUT,
    Verb.ADVANCE_NOW: Permission.OPERATE_ROLLOUT,
    Verb.STOP: Permission.OPERATE_ROLLOUT,
    Verb.ROLL_BACK: Permission.OPERATE_ROLLOUT,
}


def locked(rollout_id: int) -> Rollout:
    """The rollout, with its row locked until the transaction ends: verbs and ticks take turns."""
    rows = Rollout.objects.select_for_update(of=("self",)).select_related("version__model")
    rollout = rows.filter(pk=rollout_id).first()
    if rollout is None:
        raise NotFound("There is no such rollout.")
    return rollout


def require_verb(rollout: Rollout, verb: Verb, by: User) -> None:
    """Raises Forbidden for who may not, Conflict for not now; both with the sentence that the page shows."""
    facts = verb_facts(rollout, verb, by)
    why_not = refusal(verb, facts)
    if not why_not:
        return
    if not facts.has_right or (verb is Verb.APPROVE and facts.is_author):
        raise Forbidden(why_not, code="self_approval" if facts.has_right else "forbidden")
    raise Conflict(why_not, code="not_now")


def verb_facts(rollout: Rollout, verb: Verb, by: User) -> VerbFacts:
    stage = current_stage(rollout)
    return VerbFacts(
        state=RolloutState(rollout.state),
        is_author=rollout.authors.filter(pk=by.pk).exists(),
        has_right=_covers_all(scope(by, PERMISSION_OF[verb]), rollout),
        stage_state=StageState(stage.state) if stage else None,
        is_last_stage=stage is not None and not rollout.stages.filter(number__gt=stage.number).exists(),
        open_count=stage.targets.filter(state__in=TARGET_OPEN).count() if stage else 0,
    )


def current_stage(rollout: Rollout) -> Stage | None:
    """The first stage that is not passed; None when all are."""
    return rollout.stages.exclude(state=StageState.PASSED).order_by("number").first()


def _covers_all(held: Scope, rollout: Rollout) -> bool:
    sites = rollout.targets.values_list("device__line__site_id", flat=True).distinct()
    return held.is_all or all(held.covers(site_id) for site_id in sites)

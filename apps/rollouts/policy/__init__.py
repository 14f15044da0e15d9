"""What a rollout decides: its plan and stages, its gate, and which verb a person may use now. All pure."""

from apps.rollouts.policy.gate import Act, GateFacts, GateLimits, Judgement, judge, next_act
from apps.rollouts.policy.plan import Candidate, OnFailure, Plan, plan_faults, stage_sizes, staged
from apps.rollouts.policy.verbs import VerbFacts, refusal
from apps.rollouts.policy.waiting import StageFacts, why_waiting

__all__ = [
    "Act",
    "Candidate",
    "GateFacts",
    "GateLimits",
    "Judgement",
    "OnFailure",
    "Plan",
    "StageFacts",
    "VerbFacts",
    "judge",
    "next_act",
    "plan_faults",
    "refusal",
    "stage_sizes",
    "staged",
    "why_waiting",
]

"""The declaration of the model of posting times. What it computes is in the modules beside this one."""

from __future__ import annotations

from typing import Final

from clientnest_assets.models.model import Gate, Metric, Model
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.examples import TIMED_POSTS, examples, requests
from clientnest_assets.models.posting_times.judging import LOSS, losses
from clientnest_assets.models.posting_times.scoring import score
from clientnest_assets.models.posting_times.suggestions import ANSWERS
from clientnest_assets.models.posting_times.training import train
from clientnest_assets.models.traits import HORIZON, HOUR, LABEL_WORDS, NEEDED, WEEKDAY

POSTING_TIMES: Final = Model(
    name=spec.TASK,
    title="Posting times",
    description=(
        "The best hours of the week for an account to post on its platform: what each hour adds to a post's engagement, "
        "whoever posts, learned from posts set against others of their own account; drawn from the account's own posts "
        "to its platform's where they are few. On the author's clock; on the caller's when asked."
    ),
    entity=("platform", "account_id"),
    label=f"{LABEL_WORDS}, against the posts of the same account around it",
    horizon=HORIZON,
    objective="marginal likelihood of Gaussian effects within accounts",
    split="the last fifth of the posts by publication is judged on; labels known after its first are not learned from",
    inputs=(TIMED_POSTS,),
    feature_sets=(),
    metrics=(
        Metric("rmse", "root mean square error of a post's contrast to its account's, in log engagement"),
        Metric("mae", "mean absolute error of that contrast, in log engagement"),
        Metric("spearman", "rank correlation of predicted and observed contrasts", higher_is_better=True),
    ),
    naive_rules=spec.NAIVE_RULES,
    gate=Gate(beats=("rmse", "mae"), loss=LOSS, cluster="account_id"),
    examples=examples,
    train=train,
    requests=requests,
    score=score,
    answers=ANSWERS,
    losses=losses,
    needed=(*NEEDED, HOUR, WEEKDAY, spec.SLOT, spec.DAY_OF_POST),
    example=("post_id",),
)
"""Features of the store are not read: see `examples.py`."""

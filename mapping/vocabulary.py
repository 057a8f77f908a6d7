"""The words by which the rules at entry tell a task, a deliverable, an activity and a metric apart (English)."""

from __future__ import annotations


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


# Verbs that start a deliverable or a task, whatever follows.
TASK_VERBS = _words(
    "add arrange attend automate book call complete conduct configure deploy document draft execute file finalise",
    "finalize finish fix hire hold host implement install interview introduce kick launch meet merge migrate move",
    "organise organize perform plan post prepare present produce publish redesign refactor release replace",
    "research review rewrite roll schedule send set setup ship start submit switch test train update upgrade",
    "visit write close resolve",
)
# Verbs that start either an outcome or a deliverable; what follows decides.
OPEN_VERBS = _words(
    "build create deliver design develop establish",
)
# What a dated deliverable starts with: it marks a moment after which something exists (a milestone), while other
# tasks only keep people busy.
DELIVERY_VERBS = _words(
    "build complete deliver deploy develop finish implement integrate introduce launch migrate open publish",
    "release roll ship sign start switch",
)
DELIVERABLES = _words(
    "api app apps application backend backlog beta bot campaign checklist code component dashboard database demo",
    "doc docs documentation draft feature features framework frontend function guide handbook infrastructure",
    "integration integrations library microservice module mvp newsletter page pages pilot pipeline plan playbook",
    "plugin poc portal presentation process prototype redesign release report reports roadmap screen sdk site",
    "software sso strategy system template tool tools tutorial version webinar website widget wizard workshop",
)
# Verbs of an objective that keeps a level instead of changing something.
KEEPING_VERBS = _words(
    "maintain keep sustain preserve hold stay remain continue uphold retain",
)
CHANGE_VERBS = _words(
    "accelerate achieve boost bring cut decrease deepen double drive earn expand exceed gain grow halve hit",
    "improve increase lift lower move push raise reach reduce shorten shrink speed strengthen triple win",
)
METRIC_NOUNS = _words(
    "activation adoption arpu arr availability awareness churn clicks conversion cost costs coverage csat",
    "customers deflection downloads dau engagement latency leads loyalty margin mau mrr mttr nps profit rate",
    "ratio recommendation referrals retention revenue satisfaction score share signups speed subscribers",
    "throughput time traffic trials uptime usage users wau",
)
# What people do, counted: more of it is no result in itself.
ACTIVITIES = _words(
    "appointments articles blogs calls campaigns commits conversations demos emails e-mails events hours",
    "interviews meetings messages newsletters outreaches pitches podcasts posts presentations sessions talks",
    "trainings tweets videos visits webinars workshops",
)
ACTIVITY_VERBS = _words(
    "attend call conduct email hold host interview meet pitch post present publish run send talk train visit write",
)
WORK_ITEMS = _words(
    "bugs cards defects epics features fixes integrations issues items migrations patches points prs requests",
    "stories tasks tests tickets",
)
WORK_VERBS = _words(
    "build close complete deliver deploy develop finish fix implement launch merge migrate process release",
    "resolve ship solve work",
)
# Words that say of a thing that it is there from some moment on.
REACHED_WORDS = _words(
    "accepted approval approved available closed complete completed contract deal delivered deployed done finished",
    "hired launched live migrated migration online opened opening partnership production public published ready",
    "readiness released rollout running signed",
)
# With "ensure" these keep a level as well.
STEADY_WORDS = _words("compliance continues continuity keeps remains security stability stable stays")
# With a kind of work item these count what was finished.
FINISHED_WORDS = _words("closed completed delivered done finished fixed merged resolved shipped solved")

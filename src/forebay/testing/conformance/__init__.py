"""One suite for every engine: what the contract promises, in files named by verb, as plain pytest classes.

An engine's author provides one fixture, `make_backend` (see `stage.MakeBackend`), in a test module that says
`from forebay.testing.conformance import *`. What an engine declares not to have is skipped, with that as the reason;
`parts` says what belongs together. How a worker is lost and how time passes can be told in `stage.EngineKit`.
"""
# ruff: noqa: E402

from pathlib import Path

import pytest

# Before the files are imported, so that a failed assert shows its values like one in a test module.
pytest.register_assert_rewrite(*(f"{__name__}.{file.stem}" for file in Path(__file__).parent.glob("[a-z]*.py")))

from forebay.testing.conformance.accounts import TestAccounts
from forebay.testing.conformance.ahead import TestAhead
from forebay.testing.conformance.alone import TestAlone
from forebay.testing.conformance.audits import TestAudits
from forebay.testing.conformance.bounded import TestAge, TestBounded, TestNeverRefused, TestRoom, TestShedding
from forebay.testing.conformance.budgets import TestBudgets
from forebay.testing.conformance.cancel import TestCancel
from forebay.testing.conformance.carried import TestCarried, TestTook
from forebay.testing.conformance.changed_meters import TestChangedMeters
from forebay.testing.conformance.changes import TestBacklog, TestChanged, TestHead, TestTogether
from forebay.testing.conformance.concurrency import TestConcurrency
from forebay.testing.conformance.dead import TestDead
from forebay.testing.conformance.debounce import TestDebounce, TestOvertaken
from forebay.testing.conformance.declare import TestDeclare
from forebay.testing.conformance.depth import TestDepth
from forebay.testing.conformance.driving import TestDriving
from forebay.testing.conformance.extend import TestExtend
from forebay.testing.conformance.fair import TestClasses, TestCrowds, TestFair
from forebay.testing.conformance.gates import TestGates, TestPark
from forebay.testing.conformance.kit import Begin, ForgetWorker, Kit, begin, engine_kit, forget_worker, kit, live
from forebay.testing.conformance.lanes import TestOrdered, TestPaused, TestTurns
from forebay.testing.conformance.lease import TestCaps, TestExpiry, TestLease, TestRotation
from forebay.testing.conformance.lifo import TestNewestFirst
from forebay.testing.conformance.many import TestMany
from forebay.testing.conformance.meters import TestMeters, TestRates, TestRefunds, TestSlots
from forebay.testing.conformance.moves import TestArrives, TestLeaves
from forebay.testing.conformance.once import TestOnce
from forebay.testing.conformance.processes import TestDurable, TestShared
from forebay.testing.conformance.publish import TestDelay, TestPublish, TestUnique
from forebay.testing.conformance.recover import TestRecover
from forebay.testing.conformance.rerouted import TestReroutes
from forebay.testing.conformance.reserve import TestReserve
from forebay.testing.conformance.results import TestFind, TestMessages, TestProgress, TestRetention
from forebay.testing.conformance.schedules import TestSchedules, TestSchedulesHeld
from forebay.testing.conformance.sentences import TestSentences
from forebay.testing.conformance.settle import TestFence, TestSettle
from forebay.testing.conformance.stage import EngineKit, MakeBackend
from forebay.testing.conformance.steering import TestClosed, TestSteering
from forebay.testing.conformance.story import TestCauses, TestRelease, TestStory
from forebay.testing.conformance.struck import TestStruck
from forebay.testing.conformance.ticket import TestInOrder, TestTicket
from forebay.testing.conformance.told import TestTold
from forebay.testing.conformance.transacts import TestCompletes, TestTransacts
from forebay.testing.conformance.wait import TestFreed, TestWait, TestWatch
from forebay.testing.conformance.weighed import TestBytes, TestGrown, TestSum

__all__ = [
    "Begin",
    "EngineKit",
    "ForgetWorker",
    "Kit",
    "MakeBackend",
    "TestAccounts",
    "TestAge",
    "TestAhead",
    "TestAlone",
    "TestArrives",
    "TestAudits",
    "TestBacklog",
    "TestBounded",
    "TestBudgets",
    "TestBytes",
    "TestCancel",
    "TestCaps",
    "TestCarried",
    "TestCauses",
    "TestChanged",
    "TestChangedMeters",
    "TestClasses",
    "TestClosed",
    "TestCompletes",
    "TestConcurrency",
    "TestCrowds",
    "TestDead",
    "TestDebounce",
    "TestDeclare",
    "TestDelay",
    "TestDepth",
    "TestDriving",
    "TestDurable",
    "TestExpiry",
    "TestExtend",
    "TestFair",
    "TestFence",
    "TestFind",
    "TestFreed",
    "TestGates",
    "TestGrown",
    "TestHead",
    "TestInOrder",
    "TestLease",
    "TestLeaves",
    "TestMany",
    "TestMessages",
    "TestMeters",
    "TestNeverRefused",
    "TestNewestFirst",
    "TestOnce",
    "TestOrdered",
    "TestOvertaken",
    "TestPark",
    "TestPaused",
    "TestProgress",
    "TestPublish",
    "TestRates",
    "TestRecover",
    "TestRefunds",
    "TestRelease",
    "TestReroutes",
    "TestReserve",
    "TestRetention",
    "TestRoom",
    "TestRotation",
    "TestSchedules",
    "TestSchedulesHeld",
    "TestSentences",
    "TestSettle",
    "TestShared",
    "TestShedding",
    "TestSlots",
    "TestSteering",
    "TestStory",
    "TestStruck",
    "TestSum",
    "TestTicket",
    "TestTogether",
    "TestTold",
    "TestTook",
    "TestTransacts",
    "TestTurns",
    "TestUnique",
    "TestWait",
    "TestWatch",
    "begin",
    "engine_kit",
    "forget_worker",
    "kit",
    "live",
]

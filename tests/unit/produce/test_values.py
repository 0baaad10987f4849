"""What arrives equals what was sent, as an argument and as a result; what would not is refused with the reason."""

import collections
import dataclasses
import enum
import ipaddress
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Required, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr

from forebay import BadArguments, BadResult, ConfigError, Context
from forebay.produce.codec import Codec, decode_value, encode_value

VIENNA = ZoneInfo("Europe/Vienna")
T = TypeVar("T")
SUMMER = datetime(2026, 7, 1, 0, 30, tzinfo=VIENNA)
TWICE = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=VIENNA)
PLUS_TWO = timezone(timedelta(hours=2))


def codec(annotation):
    """Of a function that takes and returns this; of one without annotations for None."""

    def function(x): ...

    function.__annotations__ = {} if annotation is None else {"x": annotation, "return": annotation}
    return Codec("f", function)


def as_argument(annotation, value):
    one = codec(annotation)
    return one.decode(one.encode((value,), {}))[0][0]


def as_result(annotation, value):
    one = codec(annotation)
    return one.decode_result(one.encode_result(value))


WAYS = pytest.mark.parametrize("way", [as_argument, as_result])


class Speed(enum.Enum):
    SLOW = "slow"
    FAST = "fast"


class Size(enum.Enum):
    SMALL = (1, 2)
    LARGE = (3, 4)


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class UserId(str):
    __slots__ = ()


class Share(float):
    pass


class Count(int):
    pass


class Point(NamedTuple):
    x: int
    y: float = 1.5
    at: datetime | None = None


@dataclass
class Item:
    name: str
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    at: datetime
    notes: Any = None


@dataclass
class Counted:
    first: int
    second: int = field(init=False, default=5)


@dataclass
class Sale(Item):
    price: int = 3


@dataclass
class Odd:
    a: int

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


@dataclass
class Grows:
    a: int

    def __post_init__(self):
        self.a += 1


@dataclass
class Positive:
    a: pydantic.PositiveInt


@dataclass
class Fleeting:
    a: int
    b: dataclasses.InitVar[int] = 3


class Row(msgspec.Struct):
    a: int
    at: datetime | None = None
    rest: Any = None


class More(Row):
    b: int = 4


class Renamed(msgspec.Struct, rename="camel", tag="renamed", omit_defaults=True, forbid_unknown_fields=True):
    some_name: int
    some_times: tuple[datetime, ...] = ()


class Other(msgspec.Struct, tag="other"):
    some_name: int


class Short(msgspec.Struct, tag="short", array_like=True):
    a: int
    b: str = "x"


class Nameless(msgspec.Struct, eq=False):
    a: int


class Tree(msgspec.Struct):
    value: Any
    twigs: list["Tree"] = []


class Box(msgspec.Struct, Generic[T]):
    content: T


class Limited(msgspec.Struct):
    a: pydantic.PositiveInt


class Options(TypedDict, total=False):
    retries: Required[int]
    at: datetime


class Model(BaseModel):
    a: int
    b: str = "x"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    at: datetime
    pair: tuple[int, int] = (0, 0)
    blob: bytes = b""
    ids: set[UUID] = set()


class StrictChoice(BaseModel):
    model_config = ConfigDict(strict=True)
    speed: Speed
    at: datetime


class Aliased(BaseModel):
    a: int = Field(alias="A")
    b: int = Field(validation_alias=pydantic.AliasChoices("x", "y"), default=1)
    c: int = Field(validation_alias=pydantic.AliasPath("m", "n"), serialization_alias="q", default=1)


class Login(BaseModel):
    password: SecretStr
    keys: list[SecretBytes] = []


class Serialized(BaseModel):
    at: datetime
    hidden: str = Field(exclude=True, default="")

    @pydantic.field_serializer("at")
    def shorter(self, value: datetime) -> str:
        return "soon"

    @pydantic.computed_field
    @property
    def year(self) -> int:
        return self.at.year


class Born(BaseModel):
    id: UUID = Field(default_factory=lambda: UUID(int=next(NUMBERS)))
    tags: list[str] = Field(default_factory=list)


NUMBERS = iter(range(10**9))


class Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    a: int = 1


class Private(BaseModel):
    a: int
    _seen: int = pydantic.PrivateAttr(0)


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Page(BaseModel, Generic[T]):
    content: T


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Lion(Cat):
    mane: bool = True


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    lives: int = 1


class Feline(BaseModel):
    lives: int = 7


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Hashed(BaseModel):
    word: str

    @pydantic.field_validator("word")
    @classmethod
    def hashed(cls, word: str) -> str:
        return word + "#"


class Links(BaseModel):
    url: pydantic.HttpUrl
    address: ipaddress.IPv4Address
    path: Path


@pydantic.dataclasses.dataclass
class Checked:
    a: pydantic.PositiveInt
    secret: SecretStr = SecretStr("")
    at: datetime | None = None


def private(seen):
    model = Private(a=1)
    model._seen = seen
    return model


EQUAL = [
    # without an annotation: Python's own types
    *((None, value) for value in (None, True, 3, 2.5, "x", b"\xff", [1, -1, 1.0], {"a": {1: b"\xff"}})),
    *((None, value) for value in ((1, "a"), {"a": ("b", {1, 2})}, {(1, 2): 3}, {date(2027, 1, 1): [()]}, [[()]])),
    *((None, value) for value in (SUMMER, TWICE, SUMMER.replace(tzinfo=PLUS_TWO), date.max, time(9, tzinfo=VIENNA))),
    *((None, value) for value in (timedelta.min, Decimal("1.50"), UUID(int=3), Path("a/b"), frozenset({(1, 2)}))),
    (None, {"at": [datetime(2026, 10, 25, 2, 30, fold=1)]}),  # noqa: DTZ001 - one without a zone
    (Any, {"a": ({1},)}),
    (object, {"a": ({1},)}),
    (dict[str, Any], {"a": (1,), "b": {2: SUMMER}}),
    # times
    (datetime, SUMMER),
    (datetime, TWICE),
    (datetime, SUMMER.replace(tzinfo=PLUS_TWO)),
    (datetime, datetime(2026, 1, 1, tzinfo=UTC)),
    (datetime | None, None),
    (list[datetime], [SUMMER, TWICE]),
    (dict[datetime, list[time]], {SUMMER: [time(9, tzinfo=VIENNA), time(9)]}),
    (time, time(9, fold=1, tzinfo=PLUS_TWO)),
    (timedelta, timedelta(microseconds=-1)),
    # numbers
    (float, 1.5),
    (list[float], [float("inf"), -0.0]),
    (Decimal, Decimal("1E+5")),
    (int, -(2**63)),
    (int, 2**64 - 1),
    # enums and texts of one's own
    (Speed, Speed.FAST),
    (Size, Size.LARGE),
    (dict[str, Size], {"a": Size.SMALL}),
    (Access, Access.READ | Access.WRITE),
    (Literal["a", 1], "a"),
    (UserId, UserId("ada")),
    (list[Share], [Share(0.5)]),
    (Path | None, Path("a/b")),
    (dict[PurePosixPath, int], {PurePosixPath("a"): 1}),
    (ipaddress.IPv6Network, ipaddress.ip_network("2001:db8::/32")),
    (ZoneInfo, VIENNA),
    (NewType("Id", int), 3),
    (Annotated[int, "documentation"], 3),
    *((date | datetime | None, value) for value in (date.max, SUMMER, None)),
    *((UUID | Path | str | bytes, value) for value in (UUID(int=1), Path("a"), "a", b"\xff")),
    *((list[int] | tuple[datetime, ...] | set[int], value) for value in ([1], (SUMMER,), {1})),
    # containers
    (tuple[int, str], (1, "a")),
    (tuple[datetime, ...], (SUMMER,)),
    (set[tuple[int, ...]], {(1, 2)}),
    (Iterable[int], [1]),
    (Mapping[str, Any], {"a": (1,)}),
    (collections.deque[datetime], collections.deque([SUMMER])),
    (collections.OrderedDict[str, int], collections.OrderedDict(b=1, a=2)),
    (collections.Counter[str], collections.Counter("aab")),
    (bytearray, bytearray(b"x")),
    # classes with fields
    (Point, Point(1, 2.5, SUMMER)),
    (Item, Item("tea", ["a"])),
    (Meeting, Meeting(at=SUMMER, notes={"a": ({1},)})),
    (Counted, Counted(1)),
    (list[Odd], [Odd(1)]),
    (Positive, Positive(3)),
    (Row, Row(1, SUMMER, ({1: ()},))),
    (Renamed, Renamed(1, (SUMMER,))),
    (Renamed | Other | None, Other(1)),
    (Short, Short(1)),
    (Tree, Tree(1, [Tree((2,), [Tree(SUMMER)])])),
    (Box[datetime], Box(SUMMER)),
    (list[Box[int]], [Box(3)]),
    (Options, {"retries": 3, "at": SUMMER}),
    # pydantic
    (Model, Model(a=1)),
    (Model | None, Model(a=1, b="y")),
    (dict[str, list[Model]], {"a": [Model(a=1)]}),
    (Strict, Strict(at=SUMMER, pair=(1, 2), blob=b"\xff", ids={UUID(int=1)})),
    (StrictChoice, StrictChoice(speed=Speed.FAST, at=datetime(2026, 1, 1, tzinfo=UTC))),
    (Aliased, Aliased(A=1, x=3, m={"n": 4})),
    (Login, Login(password="hunter2", keys=[b"\xff"])),
    (Serialized, Serialized(at=SUMMER, hidden="real")),
    (Born, Born()),
    (Born, Born(tags=["a"])),
    (Open, Open(more=(1, {2}))),
    (Private, private(0)),
    (Numbers, Numbers([1, 2])),
    (Page[datetime], Page[datetime](content=SUMMER)),
    (Pet, Dog()),
    (list[Pet], [Cat(), Dog(lives=3)]),
    (Links, Links(url="https://a.b/c", address="127.0.0.1", path="/a")),
    (Checked, Checked(1, SecretStr("s"), SUMMER)),
    (SecretStr, SecretStr("s")),
    (dict[str, SecretBytes], {"a": SecretBytes(b"\xff")}),
    (pydantic.PositiveInt | None, 3),
    (pydantic.AwareDatetime, SUMMER),
    (pydantic.Secret[datetime], pydantic.Secret[datetime](SUMMER)),
]


@WAYS
@pytest.mark.parametrize(("annotation", "value"), [pytest.param(*each, id=f"{n}") for n, each in enumerate(EQUAL)])
def test_what_arrives_equals_what_was_sent_and_has_its_type(way, annotation, value):
    arrived = way(annotation, value)
    assert arrived == value
    assert type(arrived) is type(value)
    assert _zones(arrived) == _zones(value)


def _zones(value):
    """Whatever time is in it: `==` compares instants only."""
    if isinstance(value, datetime | time):
        return [(value.replace(tzinfo=None), value.utcoffset(), getattr(value.tzinfo, "key", None), value.fold)]
    if isinstance(value, Mapping):
        return [zone for item in (*value, *value.values()) for zone in _zones(item)]
    if isinstance(value, list | tuple | collections.deque):
        return [zone for item in value for zone in _zones(item)]
    if isinstance(value, pydantic.Secret):
        return _zones(value.get_secret_value())
    return _zones(vars(value)) if hasattr(value, "__dict__") and not isinstance(value, enum.Enum) else []


def test_what_nobody_set_in_a_model_stays_unset():
    """So that `model_dump(exclude_unset=True)` says the same in the task."""
    assert as_argument(Model, Model(a=1)).model_fields_set == {"a"}
    assert as_argument(list[Born], [Born(id=UUID(int=5))])[0].model_fields_set == {"id"}


@WAYS
@pytest.mark.parametrize(
    ("annotation", "value", "arrives"),
    [
        (str, UserId("a"), "a"),
        (float, Share(1.5), 1.5),
        (list[int], [Count(3)], [3]),
        (dict[str, int], {UserId("k"): Count(5)}, {"k": 5}),
        (None, [Share(1.5), UserId("a"), {UserId("k"): Count(5)}], [1.5, "a", {"k": 5}]),
        (None, collections.Counter("aab"), {"a": 2, "b": 1}),
        (None, collections.defaultdict(list, a=[1]), {"a": [1]}),
        (None, Point(1), (1, 1.5, None)),
        (None, enum.IntEnum("Level", {"LOW": 1}).LOW, 1),
        (None, enum.StrEnum("Colour", {"RED": "red"}).RED, "red"),
        (datetime, type("Frozen", (datetime,), {})(2026, 7, 1, tzinfo=VIENNA), datetime(2026, 7, 1, tzinfo=VIENNA)),
        (Decimal, type("Money", (Decimal,), {})("1.50"), Decimal("1.50")),
        (None, bytearray(b"x"), b"x"),
        (bytes, memoryview(b"x"), b"x"),
    ],
)
def test_a_subclass_of_a_plain_type_is_taken_for_its_base(way, annotation, value, arrives):
    arrived = way(annotation, value)
    assert arrived == arrives
    assert type(arrived) is type(arrives)


@WAYS
@pytest.mark.parametrize(
    ("annotation", "value", "arrives"),
    [
        (datetime, "2026-07-01T00:30:00+02:00", SUMMER.replace(tzinfo=PLUS_TWO)),
        (UUID, str(UUID(int=3)), UUID(int=3)),
        (Decimal, "1.50", Decimal("1.50")),
        (Decimal, 0.1, Decimal("0.1")),
        (Speed, "fast", Speed.FAST),
        (float, 1, 1.0),
        (list[int], (1, 2), [1, 2]),
        (list[datetime], (SUMMER,), [SUMMER]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (set[UUID], [str(UUID(int=3))], {UUID(int=3)}),
        (Sequence[int], (1, 2), [1, 2]),
        (Item, {"name": "tea"}, Item("tea")),
        (list[Row], [{"a": 1}], [Row(1)]),
        (Renamed, {"type": "renamed", "someName": 3}, Renamed(3)),
        (Short, ["short", 1], Short(1)),
        (Point, [1], Point(1)),
        (Model, {"a": 1}, Model(a=1)),
        (Aliased, {"A": 1, "x": 2}, Aliased(A=1, x=2)),
        (StrictChoice, {"speed": "fast", "at": "2026-01-01T00:00:00Z"},
         StrictChoice(speed=Speed.FAST, at=datetime(2026, 1, 1, tzinfo=UTC))),
        (Path, "a/b", Path("a/b")),
    ],
)  # fmt: skip
def test_a_plain_form_arrives_as_what_the_annotation_makes_of_it(way, annotation, value, arrives):
    arrived = way(annotation, value)
    assert arrived == arrives
    assert type(arrived) is type(arrives)


REFUSED = [
    (list[Cat | Feline], [Feline(lives=3)], r"\[0\] is a Feline, which would arrive as a Cat"),
    (Grows, Grows(1), "a would arrive as another int"),
    (Hashed, Hashed(word="a"), "word would arrive as another str"),
    (Private, private(3), "_seen would arrive as another int"),
    (Positive, Positive(-3), "greater than 0"),
    (pydantic.PositiveInt, -3, "greater than 0"),
    (pydantic.PositiveInt, "3", "would arrive as another str"),
    (list[pydantic.PositiveInt], [1, -3], r"greater than 0 - at `\$.*\[1\]`"),
    (Annotated[int, msgspec.Meta(gt=0)], -3, "Expected `int` >= 1"),
    (Annotated[list[int], Field(min_length=1)], [], "at least 1 item"),
    (float, 2**53 + 1, "would arrive as another int"),
    (list[float], [1.5, 2**60 + 1], r"\[1\] would arrive as another int"),
    (None, 2**64, "can't serialize ints"),
    (None, "\ud800", "surrogates not allowed"),
    (None, range(3), "range cannot be sent"),
    (None, {float("nan")}, "would arrive as another set"),
    (collections.deque[int], collections.deque([1], maxlen=3), "would arrive as another deque"),
]


@WAYS
@pytest.mark.parametrize(("annotation", "value", "says"), [pytest.param(*r, id=f"{n}") for n, r in enumerate(REFUSED)])
def test_what_would_arrive_changed_is_refused_and_says_where(way, annotation, value, says):
    with pytest.raises((BadArguments, BadResult), match=says):
        way(annotation, value)


#: What an annotation knows only in part: the annotation, the value, why it is refused as an argument, and what is kept
#: of it as a result.
WIDER = [
    (Options, {"retries": 1, "retires": 3}, "has the key 'retires', which its type does not know", {"retries": 1}),
    (
        list[Options],
        [{"retries": 1}, {"retries": 1, "at_": 2}],
        r"\[1\] has the key 'at_'",
        [{"retries": 1}, {"retries": 1}],
    ),
    (Item, {"name": "tea", "prise": 3}, "has the key 'prise'", Item("tea")),
    (Row, {"a": 1, "b": 3}, "has the key 'b'", Row(1)),
    (Item, Sale("tea"), "is a Sale, which would arrive as a Item", Item("tea")),
    (Row, More(1), "is a More, which would arrive as a Row", Row(1)),
    (Cat, Lion(), "is a Lion, which would arrive as a Cat", Cat()),
    (int, True, "Expected `int`, got `bool`", 1),
    (date, datetime(2026, 1, 1, tzinfo=UTC), "date", date(2026, 1, 1)),
    (list[Item], [Item("a"), Sale("tea")], r"\[1\] is a Sale", [Item("a"), Item("tea")]),
    (dict[str, Row], {"x": More(1)}, r"\['x'\] is a More", {"x": Row(1)}),
    (Row | None, More(1), "is a More", Row(1)),
    (tuple[Row, int], (More(1), 2), "is a More", (Row(1), 2)),
]


@pytest.mark.parametrize(("annotation", "value", "says", "kept"), WIDER)
def test_a_result_is_kept_as_its_annotation_promises_where_an_argument_is_refused(
    caplog, annotation, value, says, kept
):
    with pytest.raises(BadArguments, match=says):
        as_argument(annotation, value)
    one = codec(annotation)
    for _ in range(2):
        arrived = one.decode_result(one.encode_result(value))
        assert (arrived, type(arrived)) == (kept, type(kept))
    (warning,) = caplog.records
    assert warning.getMessage().startswith("task f: its result holds more than its return annotation says")


@pytest.mark.parametrize("value", [Speed.FAST, Item("tea"), Row(1), Model(a=1), SecretStr("s"), Dog()])
def test_an_instance_needs_an_annotation_to_be_an_argument(value):
    name = type(value).__name__
    for annotation, wrapped, path in ((None, value, r"\$\.x"), (dict[str, Any], {"a": [value]}, r"\$\.x\['a'\]\[0\]")):
        with pytest.raises(BadArguments, match=f"{path} is a {name}, which would arrive as a .*: annotate it"):
            as_argument(annotation, wrapped)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Speed.FAST, "fast"),
        (Item("tea", ["a"]), {"name": "tea", "tags": ["a"]}),
        (Meeting(at=SUMMER, notes=(1,)), {"at": SUMMER, "notes": (1,)}),
        (Renamed(1), {"type": "renamed", "someName": 1, "someTimes": ()}),
        (Short(1), ["short", 1, "x"]),
        (Model(a=1), {"a": 1, "b": "x"}),
        (Login(password="hunter2"), {"password": "hunter2", "keys": []}),
        (Aliased(A=1), {"a": 1, "b": 1, "c": 1}),
        ([Page[Model](content=Model(a=1))], [{"content": {"a": 1, "b": "x"}}]),
        (Numbers([1]), [1]),
        (Checked(1), {"a": 1, "secret": "", "at": None}),
        (ipaddress.ip_address("127.0.0.1"), "127.0.0.1"),
        (collections.deque([1]), [1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_raw_messages_and_results_without_an_annotation_have_instances_in_their_plain_form(value, plain):
    assert decode_value(encode_value(value)) == plain
    assert as_result(None, value) == plain
    assert as_result(dict[str, Any], {"a": value}) == {"a": plain}


class Handler:
    pass


@pytest.mark.parametrize(
    "annotation",
    [
        *(Callable[[], None], Callable, Iterator[int], typing.Generator, typing.IO[str], type, type[int], Exception),
        *(Handler, list[Handler], dict[str, Handler | None], complex, range, typing.Hashable, typing.Pattern[str]),
        *(collections.defaultdict[str, int], Context | int, list[Context], Fleeting, Limited, Box[Handler]),
        *(Item | Row, Row | Short, Path | Item, Speed | str, Literal[Speed.FAST]),
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["x", "return"])
def test_an_annotation_that_can_never_be_sent_is_refused_where_the_task_is_made(annotation, where):
    def function(x): ...

    function.__annotations__ = {where: annotation}
    with pytest.raises(ConfigError, match="task f: `x`: " if where == "x" else "task f: its result: "):
        Codec("f", function)


def test_a_body_written_before_an_annotation_was_added_fits_it_afterwards():
    body = codec(None).encode(((1, {2}),), {})
    assert codec(tuple[int, set[int]]).decode(body)[0] == ((1, {2}),)
    with pytest.raises(BadArguments, match=r"Expected `int`, got `set` - at `\$\.x\[1\]`"):
        codec(tuple[int, int]).decode(body)

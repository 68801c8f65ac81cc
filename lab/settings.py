"""Every setting of the lab, and the source of its value.

Order of the sources: command line, environment (`MOVE37_SLOTS=4`, `MOVE37_LLM__MODEL=...`), `lab.toml`, the defaults
below.
"""

import os
import sys
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from agents.search import DEFAULT_POLICY
from bus.vocabulary.described import Described
from bus.wire.subjects import LOG, STREAMS, StreamLimits
from lab.campaign_tables import ArmSettings, VerificationSettings
from lab.errors import LabError, WrongUsage
from lab.model_settings import ALL_AGENTS, ModelSettings
from lab.nearest_name import hint_of

DEFAULT_GOAL = (
    "a causal linear-time token mixer that recalls well at tight state and models text better than the baselines"
)
OTHER_VARIABLES = {"MOVE37_RACE_KERNELS"}
"""Variables that are no settings: the switch of the kernels' races."""
DEFAULT_FILE = Path("lab.toml")
COMMAND_LINE = "command line"
"""Source of a value that a person gave with a command."""


class TaskObjective(Described):
    """`[objective.tasks.<task>]`: how a task enters the objective; None for the default of the task and the scale."""

    model_config = ConfigDict(extra="forbid")

    measure: str | None = Field(default=None, min_length=1)
    """Measure of the task, such as `nats_per_byte`, `accuracy` or `log_loss`."""
    weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Share of the task; 0 leaves it out."""
    noise: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Standard deviation of the measure over seeds, in its own unit."""


class ObjectiveSettings(Described):
    """`[objective]`: what experiments are ranked by."""

    model_config = ConfigDict(extra="forbid")

    rank_by: Literal["objective", "fitness"] = "objective"
    """Rank by measurements in units of seed noise, or by the fitness that is reported."""
    max_flops: float = Field(default=1.5, ge=0, allow_inf_nan=False)
    """Forward FLOPs per token that a design may take, as a multiple of the costliest baseline's; 0 for no limit."""
    tasks: dict[str, TaskObjective] = Field(default_factory=dict)
    """Tasks by name; those not given have the defaults of the scale."""


class Settings(Described, BaseSettings):
    """All settings; unknown keys are errors."""

    model_config = SettingsConfigDict(env_prefix="MOVE37_", env_nested_delimiter="__", extra="forbid")

    home: Path = Path(".move37")
    """Folder for everything the lab writes."""
    nats: str | None = None
    """URL of a NATS server that already runs; None starts an embedded one."""
    nkey_file: Path | None = None
    """File with the seed of the role's nkey for that server; an embedded server has its keys in the home."""
    tls_ca: Path | None = None
    """Certificate (PEM) of the authority of a `tls://` server; None for the authorities that the system trusts."""
    monitor: str | None = None
    """URL of that server's monitoring; None for port 8222 of its host."""
    allow_plaintext: bool = False
    """Allow an unencrypted connection to a server on another host: for private networks."""
    allow_lazy_sync: bool = False
    """Allow a server that may lose acknowledged messages in a power loss."""
    patience: float = Field(default=60.0, ge=0, allow_inf_nan=False)
    """Seconds that a command waits for a server and for memory's answers."""
    replicas: int = Field(default=1, ge=1, le=5)
    """Servers of a NATS cluster that keep each stream; with 3, one server may be lost."""
    campaign: str = Field(default="", pattern="^([a-z0-9][a-z0-9_-]{0,39})?$")
    """A campaign by the name you give it, or by its id; empty for the home's own."""
    streams: dict[str, StreamLimits] = {}
    """Limits of streams, `[streams.<name>]`, such as `max_bytes` of LAB_TRACES."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of the lines that services log."""
    health_port: int | None = Field(default=None, ge=1, le=65535)
    """Port on which a service answers probes at /healthz and /readyz; None for no port."""
    goal: str = DEFAULT_GOAL
    """What to look for, in words."""
    scale: str = "nano"
    """Rung of the ladder of scales."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of all randomness."""
    experiments: int = Field(default=20, ge=0, le=1_000_000)
    """Experiments, not counting the baselines."""
    trainers: int = Field(default=2, ge=1, le=256)
    """Trainer processes, one core each."""
    slots: int | None = Field(default=None, ge=1, le=4096)
    """Experiments that are open at once; None for twice the trainers, so that no trainer waits."""
    attempts: int = Field(default=3, ge=0, le=20)
    """Repairs that an experiment may have."""
    data: Path | None = None
    """File or folder of text, JSONL or Parquet to train on; None for the Python standard library's source."""
    prior: Path | None = None
    """Exported log of an earlier campaign whose best designs open the new one, or `shipped` for those that come with
    the project; None or `none` for none."""
    prior_designs: int = Field(default=8, ge=1, le=50)
    """How many of them; they count as experiments."""
    sandbox: Literal["bwrap", "none"] = "bwrap"
    """Containment of candidates; `none` runs their code unconfined, and the report says so."""
    baselines: tuple[str, ...] = ()
    """Human designs that open the campaign, such as `gla` and `kda`; empty for the default ones."""
    policy: str = DEFAULT_POLICY
    """Search policy: a name of `agents.search`, the file of a researcher program, or LOG.jsonl:ID of an evolved one. If
    none is set, a program that was promoted in the home and is under no veto takes its place."""
    policy_parameters: dict[str, Any] = {}
    """Parameters of the policy; those not given suit the length of the campaign."""
    novelty: Literal["structure", "motivation"] = "structure"
    """How ideas with a design are compared with earlier ones: by their units, or by their motivations."""
    objective: ObjectiveSettings = ObjectiveSettings()
    """What experiments are ranked by, `[objective]`: measures, weights and noise by task, and a limit on FLOPs."""
    verification: VerificationSettings = VerificationSettings()
    """How discoveries are verified, `[verification]`; the plan is fixed when the campaign starts."""
    arms: ArmSettings = ArmSettings()
    """Shares of the control arms, `[arms]`."""
    roles: dict[str, dict[str, Any]] = {}
    """Settings of roles, `[roles.<name>]`, such as `max_ideas` of the researcher."""
    llm: ModelSettings = ModelSettings()
    """The language model; none by default."""

    @field_validator("streams")
    @classmethod
    def _check_streams(cls, streams: dict[str, StreamLimits]) -> dict[str, StreamLimits]:
        """Refuse unknown streams, and limits by which the log would forget."""
        names = [stream.name for stream in STREAMS]
        if unknown := streams.keys() - set(names):
            raise ValueError(f"no stream {min(unknown)}; hint: choose one of {', '.join(names)}")
        log = streams.get(LOG, StreamLimits())
        if log.max_age or log.discard == "old":
            raise ValueError(f"{LOG} forgets nothing, so it has max_bytes alone; hint: move37 archive makes room")
        return streams

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the values that `LoadedSettings.load` has merged: it alone decides the order of the sources."""
        return (init_settings,)

    def slots_or_default(self) -> int:
        """Return the number of slots, by default twice the trainers."""
        return self.slots or 2 * self.trainers


class LoadedSettings(BaseModel):
    """Settings with the source of each value."""

    settings: Settings
    origins: dict[str, str]
    """Setting → `command line`, `environment`, the file's name or `default`."""

    def explicit(self, name: str) -> bool:
        """Return True if a person has set this value."""
        return self.origins[name] != "default"

    @classmethod
    def load(cls, options: dict[str, Any], file: Path | None = None) -> Self:
        """Merge the sources; `options` are those of the command line, None for an option that is not given.

        Raises LabError with the setting and its source, WrongUsage if that is the command line.
        """
        path = file or DEFAULT_FILE
        sources = (
            (str(path), _file_values(path, required=file is not None)),
            ("environment", _environment_values()),
            (COMMAND_LINE, {key: value for key, value in options.items() if value is not None}),
        )
        origins = {".".join(key): "default" for key in _keys(Settings().model_dump())}
        merged: dict[str, Any] = {}
        for name, values in sources:
            merged = _merge(merged, values)
            origins |= {".".join(key): name for key in _keys(values)}
        try:
            loaded = cls(settings=Settings(**merged), origins=origins)
        except ValidationError as error:
            raise _explained(error, origins) from None
        _warn_of_unknown_variables(loaded.settings)
        return loaded


def _environment_values() -> dict[str, Any]:
    """Return the values of `MOVE37_...` variables; an empty one is unset."""
    return EnvSettingsSource(Settings, env_ignore_empty=True)()


def _warn_of_unknown_variables(settings: Settings) -> None:
    """Warn of every `MOVE37_...` variable that is no setting and holds no model's key."""
    names = {f"MOVE37_{name}".upper() for name in Settings.model_fields}
    options = [one for agent in ALL_AGENTS for one in settings.llm.options_of(agent)]
    keys = {one.api_key_env for one in [*options, settings.llm]}
    for variable in sorted(os.environ):
        name = variable.upper().split("__")[0]
        if name.startswith("MOVE37_") and name not in names | OTHER_VARIABLES and variable not in keys:
            hint = hint_of(name, names, "move37 config lists all settings")
            print(f"warning: {variable} is no setting; {hint}", file=sys.stderr)


def _file_values(path: Path, *, required: bool) -> dict[str, Any]:
    """Return the values in a TOML file. Raises LabError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise LabError(f"no settings file {path}; hint: name an existing file with --config") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"can't read {path} ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{path} is not valid TOML ({error})") from None


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over` on top, tables merged key by key."""
    nested = {
        key: _merge(base[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | over | nested


def _keys(values: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the key path of every value that is no table."""
    return [
        path
        for key, value in values.items()
        for path in (_keys(value, (*prefix, key)) if isinstance(value, dict) else [(*prefix, key)])
    ]


def _explained(error: ValidationError, origins: dict[str, str]) -> LabError:
    """Return the first error in one line, with the source of the value."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    source = origins.get(name, "")
    if first["type"] == "extra_forbidden":
        return LabError(
            f"unknown setting {name!r} in {source or 'the settings'}; hint: move37 config lists all settings"
        )
    kind = WrongUsage if source == COMMAND_LINE else LabError
    return kind(f"{name} = {first['input']!r} ({source or 'settings'}): {first['msg']}")

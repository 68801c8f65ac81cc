"""The dashboard's declaration as a role: a read-only web page of a campaign."""

from pydantic import Field

from bus.delivery.role_spec import RoleSettings, RoleSpec, ServiceContext
from bus.wire.subjects import LOG, METRICS


class DashboardSettings(RoleSettings):
    """`[roles.dashboard]`: where the page is served."""

    host: str = "127.0.0.1"
    """Address to listen on; whoever reaches it may look."""
    campaign: str = ""
    """Name or id of the campaign to show; empty for the newest."""
    port: int = Field(default=8037, ge=0, le=65535)
    """Port; 0 for any free one."""


async def serve(context: ServiceContext) -> None:
    """Serve the page until cancelled. Raises LabError if the address can't be used."""
    from lab.observability.dashboard_feed import DashboardFeed

    settings = DashboardSettings.model_validate(context.settings)
    await DashboardFeed(context.bus, settings.campaign).serve(settings.host, settings.port)


SPEC = RoleSpec(
    name="dashboard",
    summary="shows the running campaign in a browser, read-only",
    asks=True,
    surveys=True,
    follows=(LOG, METRICS),
    settings=DashboardSettings,
    serve=serve,
)

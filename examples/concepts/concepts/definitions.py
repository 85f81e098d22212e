"""The code location: everything that Dagster is to know of."""

import dagster as dg

from . import assets, checks, data_versions, io_managers
from .automation import Inbox, every_morning, mail_job, new_mail
from .config import greeting_job, typed_greeting_job
from .deployment import slow_job
from .io_managers import s3_job
from .jobs import all_assets_job, all_downstream_job, asset1_job, downstream_job, upstream_job
from .ops import add_job, add_three_job, shout_job
from .resources import Greeter, client, resources_job, s3

# One object holds it all. A resource is found by its key: here is where `pipes` is the client.
defs = dg.Definitions(
    assets=dg.load_assets_from_modules([assets, data_versions, io_managers]),
    asset_checks=dg.load_asset_checks_from_modules([checks]),
    jobs=[
        add_job,
        add_three_job,
        all_assets_job,
        all_downstream_job,
        asset1_job,
        downstream_job,
        slow_job,
        greeting_job,
        mail_job,
        resources_job,
        s3_job,
        shout_job,
        typed_greeting_job,
        upstream_job,
    ],
    schedules=[every_morning],
    sensors=[new_mail],
    resources={
        "pipes": client,
        "greeter": Greeter(pipes=client),
        "inbox": Inbox(path="inbox"),
        "s3": s3,
    },
    # Each step is a process of its own already: no need for Dagster's process around it.
    executor=dg.in_process_executor,
)

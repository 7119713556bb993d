"""What a cron schedule may be, as Prefect reads it."""

from m2pt.config import UserError


def require_cron(expression: str) -> None:
    """Raise `UserError` unless Prefect can read a cron schedule."""
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    try:
        CronSchedule(cron=expression)
    except ValidationError:
        raise UserError(
            f"--cron: {expression!r} is no schedule; give minute, hour, day of the month, month and day of the week, such as "
            '"0 2 * * *" for every night at two.'
        ) from None

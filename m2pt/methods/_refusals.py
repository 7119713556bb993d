"""Why several methods cannot be used for a run: the sentence, or None if nothing prevents it."""

from m2pt.runs.spec import RunSpec


def without_shared_form(method: str, spec: RunSpec) -> str | None:
    """The teacher reads the tokens as they are, so they must have the form that all modalities share."""
    if spec.input.form == "shared":
        return None
    return f"sweep.methods: {method} is for inputs of the shared form, {spec.target} is of the published one; leave one out."


def without_both_samples(spec: RunSpec) -> str | None:
    """Both modalities need labelled small data, and the form of tokens that all modalities share."""
    if spec.task is not None:
        return (
            f"sweep.methods: {spec.method} trains with labelled samples of both modalities, which only small data have here; "
            f"{spec.target} is a task on a published data set, so leave one out."
        )
    if spec.input.form != "shared":
        return f"sweep.methods: {spec.method} is for inputs of the shared form, {spec.target} is of the published one."
    if spec.auxiliary_data is not None and spec.auxiliary_data.input.form != "shared":
        return f"sweep.methods: {spec.method} is for inputs of the shared form, inputs.{spec.auxiliary} is of the published one."
    return None

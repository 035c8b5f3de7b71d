"""The numbers that several rooms must agree on, in seconds."""

MAX_TOOL_WAIT_SECONDS = 300
"""A tool that computes longer is stopped and answered with an error."""

STREAM_IDLE_TIMEOUT_SECONDS = 2 * MAX_TOOL_WAIT_SECONDS
"""A model that is silent for so long is cut."""

MODEL_CALL_SECONDS = 600
"""A model call that takes longer is cut."""

MAX_RUN_DAYS = 365
"""How long a deployment may let a run of an agent take, waiting included."""

LONGEST_TASK_SECONDS = (MAX_RUN_DAYS + 35) * 86_400
"""No task lives that long; so long lasts what it may need."""

STEP_SECONDS = 630
"""A step starts only with so much of the invocation left: a model call and its storing fit."""

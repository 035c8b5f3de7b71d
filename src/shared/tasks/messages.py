"""What a queue message says."""

from pydantic import BaseModel, ConfigDict, Field


class TaskMessage(BaseModel):
    """Names the task to advance; everything else is in its record."""

    model_config = ConfigDict(extra="ignore")

    task_id: str = Field(min_length=1, max_length=200)

"""Secrets from SSM parameters (SecureString), cached for five minutes."""

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from shared.kernel.errors import ConfigError

_MAX_AGE_SECONDS = 300


def read_secret(parameter_name: str) -> str:
    """The decrypted value of an SSM parameter.

    Raises:
        ConfigError: it does not exist, or this function may not read it.
    """
    try:
        return parameters.get_parameter(parameter_name, decrypt=True, max_age=_MAX_AGE_SECONDS)
    except GetParameterError as error:
        raise ConfigError(f"The SSM parameter {parameter_name} cannot be read") from error

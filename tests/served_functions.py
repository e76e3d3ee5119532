"""The functions of the service that the fixture `serve` starts."""

from fgnb import function


@function(name="echo", timeout=30)
def echo(event, context):
    return event


@function(name="broken")
def broken(event, context):
    raise ValueError("it broke")

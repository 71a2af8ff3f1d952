"""What the project keeps: runs with their events, what was said, and the states of journeys."""

from django.db import models


class Run(models.Model):
    """Is one run; `checkpoint` is its own, and nobody else's."""

    conversation = models.CharField(max_length=128)
    checkpoint = models.JSONField(null=True)
    output = models.JSONField(null=True)
    cancelled = models.BooleanField(default=False)


class Event(models.Model):
    """Is one event of a run."""

    run = models.ForeignKey(Run, models.CASCADE)
    type = models.CharField(max_length=64)
    payload = models.JSONField()


class Message(models.Model):
    """Is one message of a conversation, in OpenAI form."""

    conversation = models.CharField(max_length=128)
    said = models.JSONField()


class Kept(models.Model):
    """Is one value of the framework's stores."""

    key = models.CharField(max_length=512, primary_key=True)
    value = models.JSONField()

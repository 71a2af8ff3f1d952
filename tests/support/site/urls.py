"""The one page: say something in a conversation, and hear what comes of it."""

from django.urls import path
from journeys.views import talk

urlpatterns = [path("talk/<str:conversation>", talk)]

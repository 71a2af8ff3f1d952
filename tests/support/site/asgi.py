"""The project as ASGI servers take it; its tables are made where they are missing."""

from django.core.asgi import get_asgi_application
from django.core.management import call_command

application = get_asgi_application()
call_command("migrate", run_syncdb=True, verbosity=0)

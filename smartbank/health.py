"""Is the process alive, and can it serve?"""

import threading

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from smartbank import problems


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process runs, whatever the database does."""
    return JsonResponse({"status": "alive"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database is reachable and fully migrated, 503 otherwise."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _is_migrated():
            return problems.busy(request)
    except DatabaseError:
        return problems.busy(request)
    return JsonResponse({"status": "ready"})


def _is_migrated() -> bool:
    """Return whether every migration of this code has run. To find out costs as much as a hundred
    calls, so it is asked until it is so, and then never again by this process."""
    if not _migrated.is_set():
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            _migrated.set()
    return _migrated.is_set()


_migrated = threading.Event()

"""A statement as an answer over HTTP, for pages and programs alike."""

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from transfers import paper, statements
from transfers.statements import Statement


def download(made: Statement, kind: str) -> HttpResponseBase:
    """Return the statement as `json`, `csv` or `pdf`, the latter two as files with a name.

    JSON and CSV are streamed, so their length costs no memory.
    """
    if kind == "json":
        return StreamingHttpResponse(statements.as_json(made), content_type="application/json")
    if kind == "csv":
        lines = statements.as_csv(made)
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    else:
        response = HttpResponse(paper.statement(made), content_type="application/pdf")
    name = f"statement-{made.account.number[-4:]}-{made.since}-{made.until}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

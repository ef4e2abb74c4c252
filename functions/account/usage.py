"""What an account has used, month by month, and how each of its generations was decided."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.account import usage_documents
from tollgate.catalogue import Catalogue
from tollgate.quota.gate import Gate
from tollgate.quota.usage import is_month, month_of, read_month, read_periods, read_receipt
from tollgate.table.client import Table
from tollgate.web.authentication import Authentication
from tollgate.web.bodies import invalid
from tollgate.web.problems import not_found


@dataclass(frozen=True, slots=True)
class UsageEndpoints:
    table: Table
    catalogue: Catalogue
    authentication: Authentication
    clock: Callable[[], datetime]

    def month(self, request: Request) -> Response:
        caller = self.authentication.caller(request)
        now = self.clock()
        month = request.query_params.get("period", month_of(now))
        if not is_month(month):
            raise invalid("/period", "Expected a month, as in 2026-11.")
        use = read_month(self.table, caller.session.account, month)
        periods = read_periods(self.table, Gate.of(caller.item), month, now)
        return JSONResponse(usage_documents.month_document(use, periods, self.catalogue))

    def receipt(self, request: Request) -> Response:
        """Only a decided generation has one: while it runs, it is as unknown as any other."""
        account_id = self.authentication.caller(request).session.account
        found = read_receipt(self.table, account_id, request.path_params["id"], self.clock())
        if found is None:
            raise not_found()
        return JSONResponse(usage_documents.receipt_document(found))

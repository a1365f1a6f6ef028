"""The billing system of a telephone company, as a partner."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx


class Biller:
    """The telephone company's billing system."""

    def __init__(self, client: httpx.AsyncClient, *, customer_number: str) -> None:
        self.client, self.number = client, customer_number

    async def tell(self, kind: str, **data: Any) -> None:
        event = {
            "specversion": "1.0", "id": str(uuid4()), "source": "urn:example:erp", "type": f"partner.{kind}.v1",
            "time": datetime.now(UTC).isoformat(), "data": {"customer_number": self.number, **data},
        }  # fmt: skip
        headers = {"Content-Type": "application/cloudevents+json"}
        answer = await self.client.post("/intake/v1/partners/erp/events", json=event, headers=headers)
        assert answer.status_code == 202, answer.text

    async def bill(self, number: str, *, issued: datetime, roaming: int | None) -> None:
        """A bill, due after two weeks: 45 francs a month, and what was used abroad; 8.1 per cent are the state's."""
        nets = [("Mobile Flat L", 4500), *([("Roaming USA, 1.2 GB", roaming)] if roaming else [])]
        lines = []
        for n, (text, net) in enumerate(nets, start=1):
            tax = (net * 81 + 500) // 1000
            lines.append(
                {
                    "line_id": str(n), "text": text, "quantity": "1", "net": net, "tax_rate": 810, "tax": tax,
                    "gross": net + tax,
                }
            )  # fmt: skip
        await self.tell(
            "invoice_issued", invoice_number=number, issued_on=issued.date().isoformat(), currency="CHF", lines=lines,
            due_on=(issued + timedelta(days=14)).date().isoformat(), total=sum(line["gross"] for line in lines),
            recipient=["Giulia Ferrari", "Via Nassa 12", "6900 Lugano"],
        )  # fmt: skip

"""An agent who reads all the while, over connections that stay open, and asks for nothing twice."""

import asyncio

import httpx

from anliegen.stack.stack import Stack

READ = (
    "/helpdesk/v1/questions",
    "/billing-inquiry/v1/inquiries",
    "/triage/v1/reviews",
    "/intake/v1/contact-options",
    "/journey/v1/journeys?handle=%2B4915100000001&kind=phone",
)
PAUSE = 0.1  # seconds; the public one of these may be asked twice a second from one address


async def read_on(stack: Stack, failed: list[str], answers: list[int]) -> None:
    """An agent looks at one list after the other, over connections that stay open."""
    headers = {"Authorization": f"Bearer {stack.token('agent')}"}
    async with httpx.AsyncClient(base_url=stack.http_url, headers=headers, timeout=30) as client:
        while True:
            for path in READ:
                try:
                    answer = await client.get(path)
                except httpx.TransportError as problem:
                    failed.append(f"{path}: {type(problem).__name__}")
                else:
                    answers.append(answer.status_code)
                    if answer.status_code != 200:
                        failed.append(f"{path}: {answer.status_code} {answer.text[:200]}")
                await asyncio.sleep(PAUSE)

"""What one would write in an afternoon: FastAPI, a pydantic model, an ORM row and a commit for each request.

A rival for `rivals.py`. It stores what it is sent, and neither parses the User-Agent nor knows places, sessions or hits
that come twice: it does less for a hit than Crumby, and a commit for each.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(os.environ["PLAIN_DATABASE"])
sessions = async_sessionmaker(engine, expire_on_commit=False)

if os.environ.get("PLAIN_WAL"):

    @event.listens_for(engine.sync_engine, "connect")
    def use_wal(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("pragma journal_mode = wal")
        cursor.execute("pragma synchronous = full")
        cursor.close()


class Base(DeclarativeBase):
    pass


class Visit(Base):
    __tablename__ = "visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    visitor: Mapped[str]
    address: Mapped[str]
    uri: Mapped[str]
    title: Mapped[str]
    referrer: Mapped[str]
    language: Mapped[str]
    screen: Mapped[str]
    ip: Mapped[str | None]
    user_agent: Mapped[str]


class Hit(BaseModel):
    t: str
    cid: str
    dl: str
    dt: str
    dr: str = ""
    ul: str = ""
    sr: str = ""


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def open_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/hit", status_code=204)
async def hit(hit: Hit, request: Request, session: Annotated[AsyncSession, Depends(open_session)]) -> None:
    session.add(
        Visit(
            at=datetime.now(UTC).replace(tzinfo=None),
            visitor=hit.cid,
            address=request.headers.get("x-forwarded-for", ""),
            uri=hit.dl,
            title=hit.dt,
            referrer=hit.dr,
            language=hit.ul,
            screen=hit.sr,
            ip=request.client.host if request.client else None,
            user_agent=request.headers.get("user-agent", ""),
        )
    )
    await session.commit()

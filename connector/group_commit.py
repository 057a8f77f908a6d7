"""Many small durable writes for the price of one: callers that arrive together share one commit to disk."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

GATHER_STEP_SECONDS = 0.0005
GATHER_SECONDS = 0.01


class NotCommitted(Exception):
    """The write is not on disk, or nobody can say whether it is; ask again."""

    reason = "not_committed"


class Ticket(Generic[Item]):
    """One item on its way to disk: either somebody waits for it, or `done` is called from the committing thread."""

    __slots__ = ("_answered", "_done", "error", "item", "result")

    def __init__(self, item: Item, done: Callable[[Ticket[Item]], None] | None = None) -> None:
        self.item = item
        self.result = False
        self.error: Exception | None = None
        self._done = done
        # A held lock is the cheapest thing to wait for.
        self._answered = threading.Lock()
        self._answered.acquire()

    def wait(self, seconds: float) -> bool:
        """Return the answer once the item is on disk; raises NotCommitted."""
        if not self._answered.acquire(timeout=seconds):
            raise NotCommitted("the database does not answer")
        if self.error is not None:
            raise NotCommitted(str(self.error)) from self.error
        return self.result

    def answer(self) -> None:
        """Tell whoever waits."""
        self._answered.release()
        if self._done is not None:
            self._done(self)


class GroupCommit(Generic[Item]):
    """Hands batches of items to `write`, from one thread, in the order in which they came.

    `write` commits a whole batch and returns one answer per item; an exception among the answers fails that item
    alone. A batch is closed once nobody has joined it for half a millisecond: a commit costs as much as several
    requests, so the busier it gets, the larger the batches must be. The thread is started by the first caller, because
    threads do not survive a fork and servers fork after the core is built.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[bool | Exception]],
        *,
        capacity: int = 1000,
        batch: int = 200,
        patience: float = 10.0,
    ) -> None:
        """Allow `capacity` waiting callers, `batch` items a commit, and `patience` seconds of waiting each."""
        self._write = write
        self._capacity = capacity
        self._batch = batch
        self._patience = patience
        self._waiting: deque[Ticket[Item]] = deque()
        self._called = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    def submit(self, item: Item) -> bool:
        """Return `write`'s answer for this item once it is on disk; raises NotCommitted."""
        return self.enqueue(item).wait(self._patience)

    def enqueue(self, item: Item, done: Callable[[Ticket[Item]], None] | None = None) -> Ticket[Item]:
        """Put an item on its way without waiting for it; raises NotCommitted if it cannot even be queued."""
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if self._closed:
            raise NotCommitted("shutting down")
        if len(self._waiting) >= self._capacity:
            raise NotCommitted("too many writes are waiting")
        ticket = Ticket(item, done)
        self._waiting.append(ticket)
        if not self._called.is_set():
            self._called.set()
        return ticket

    def close(self, timeout: float = 10.0) -> None:
        """Write what is waiting, then stop; whoever comes later is refused."""
        with self._starting:
            self._closed = True
            thread = self._thread
        self._called.set()
        if thread is not None and thread.is_alive():
            thread.join(timeout)

    def _start(self) -> None:
        with self._starting:
            if not self._closed and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="inbox-commit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            self._called.wait()
            self._called.clear()
            while self._waiting:
                self._gather()
                self._commit([self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch))])

    def _gather(self) -> None:
        """Wait while others keep joining, but not for long."""
        until = time.monotonic() + GATHER_SECONDS
        gathered = 0
        while gathered < len(self._waiting) < self._batch and time.monotonic() < until:
            gathered = len(self._waiting)
            time.sleep(GATHER_STEP_SECONDS)

    def _commit(self, tickets: Sequence[Ticket[Item]]) -> None:
        try:
            for ticket, result in zip(tickets, self._write([one.item for one in tickets]), strict=True):
                if isinstance(result, Exception):
                    ticket.error = result
                else:
                    ticket.result = result
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to the callers, each of whom raises it
            for ticket in tickets:
                ticket.error = error
        for ticket in tickets:
            ticket.answer()

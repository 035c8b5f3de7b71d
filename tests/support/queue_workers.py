"""Lambda's poller of the turn queue: a thread that receives, and workers that advance turns."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class NotifyingQueue:
    """The SQS client, which also wakes the pollers: real queues are long-polled, moto's are not."""

    def __init__(self, client: Any, *news: threading.Event) -> None:
        self._client = client
        self._news = news

    def send_message(self, **request: Any) -> Any:
        answer = self._client.send_message(**request)
        for news in self._news:
            news.set()
        return answer


class QueueWorkers:
    """Calls `advance` with the task of each message; a message is deleted only if that returns."""

    def __init__(self, client: Any, url: str, advance: Callable[[str], None], concurrency: int) -> None:
        self.news = threading.Event()
        self.problems: list[BaseException] = []
        self.invocations: list[str] = []
        """The task of every message that was worked on, repeats included."""
        self._client = client
        self._url = url
        self._advance = advance
        self._stopping = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._working: list[str] = []
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="turn-worker")
        self._thread = threading.Thread(target=self._poll, name="queue-poller")

    @property
    def working(self) -> list[str]:
        """The tasks in the hands of workers right now."""
        with self._lock:
            return list(self._working)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def pause(self) -> None:
        """Leave messages in the queue, as if every worker were busy."""
        self._flowing.clear()

    def resume(self) -> None:
        """Take them again."""
        self._flowing.set()
        self.news.set()

    def stop(self) -> None:
        """Take no more messages and wait for the workers."""
        self._stopping = True
        self.resume()
        self._thread.join()
        self._pool.shutdown(wait=True)

    def _poll(self) -> None:
        while not self._stopping:
            self._flowing.wait()
            if self._stopping:
                return
            self.news.clear()
            batch = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
            for message in batch:
                self._pool.submit(self._work, message)
            if not batch:
                self.news.wait(0.5)

    def _work(self, message: dict[str, Any]) -> None:
        task_id = json.loads(message["Body"])["task_id"]
        with self._lock:
            self._working.append(task_id)
            self.invocations.append(task_id)
        try:
            self._advance(task_id)
        except BaseException as error:
            self.problems.append(error)
            return
        finally:
            with self._lock:
                self._working.remove(task_id)
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

"""The worker door: threads that do background jobs, inside the server or as a process of their own."""

import threading

from labelwright.flows.jobs import free_own_jobs, run_next, worker_name
from labelwright.workbench import Workbench


class Workers:
    """Background threads; start, then stop."""

    def __init__(self, workbench: Workbench, n: int) -> None:
        """Prepare `n` threads."""
        self._shutdown = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop, args=(workbench, i), name=f"worker-{i}", daemon=True)
            for i in range(n)
        ]
        self._workbench = workbench

    def _loop(self, workbench: Workbench, n: int) -> None:
        import logging

        while not self._shutdown.is_set():
            try:
                if run_next(workbench, worker_name(n), self._shutdown):
                    continue
            except Exception:
                logging.getLogger(__name__).exception("worker %s", n)
            self._shutdown.wait(0.25)

    def start(self) -> None:
        """Free what a crash left behind and begin."""
        free_own_jobs(self._workbench)
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask the threads to end and wait; unfinished jobs go back to the queue."""
        self._shutdown.set()
        for thread in self._threads:
            thread.join(timeout=timeout_s)

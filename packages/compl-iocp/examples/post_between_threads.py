"""A completion port as a queue between threads, as it is: workers wait for packets, anybody posts them.

    python post_between_threads.py --workers 4 --jobs 20

The kernel lets as many workers run at once as the port was made for, and wakes the one that waited last: its memory is
still in the processor's cache.
"""

from __future__ import annotations

import argparse
import threading

from compl_iocp import Iocp

#: Keys say what a packet is; the number of bytes is the posted number itself.
JOB, RESULT, STOP = 1, 2, 3


def work(jobs: Iocp, results: Iocp) -> None:
    """Square the number of each job, until told to stop."""
    while True:
        for entry in jobs.get_many(1):
            if entry.key == STOP:
                return
            results.post(RESULT, entry.nbytes**2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Have threads square numbers.")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=20)
    options = parser.parse_args()
    with Iocp(concurrency=2) as jobs, Iocp(concurrency=1) as results:
        workers = [threading.Thread(target=work, args=(jobs, results)) for _ in range(options.workers)]
        for worker in workers:
            worker.start()
        for number in range(options.jobs):
            jobs.post(JOB, number)
        squares: list[int] = []
        while len(squares) < options.jobs:
            squares += [entry.nbytes for entry in results.get_many(timeout=10)]
        for _ in workers:
            jobs.post(STOP)
        for worker in workers:
            worker.join()
        print(*sorted(squares))


if __name__ == "__main__":
    main()

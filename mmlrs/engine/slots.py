"""How many tasks can run at the same time, which barrier jobs must know before they start.

Spark starts all tasks of a barrier job together or not at all. A job with more tasks than slots is checked again every 15 seconds,
40 times, before Spark refuses it. With dynamic allocation Spark refuses every barrier job.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from mmlrs._places import is_connect, reason_of
from mmlrs.engine.sent import Sent
from mmlrs.engine.tags import cancelling
from mmlrs.errors import ExecutionError, InvalidParamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from pyspark.sql import SparkSession

__all__ = ["check_slots", "slots"]

#: Seconds in which the executors of a new cluster may register, as in Spark's `maxRegisteredResourcesWaitingTime`.
REGISTRATION_SECONDS = 30.0


def slots(session: SparkSession) -> int:
    """Return the number of tasks that the session's cluster can run at the same time, at least 1.

    A classic session knows it. Spark Connect does not tell, so there it is the settings' executors times cores, or else the
    number of partitions of `spark.range`, divided by `spark.task.cpus`.
    """
    if is_connect(session):
        return max(1, _of_settings(session))
    context: Any = session.sparkContext
    try:
        scheduler = context._jsc.sc()
        # What Spark itself compares with the number of tasks of a barrier job.
        profile = scheduler.resourceProfileManager().defaultResourceProfile()
        return max(1, int(scheduler.maxNumConcurrentTasks(profile)))
    except Exception:  # noqa: BLE001 - internals of Spark, which another version may not have
        return max(1, int(context.defaultParallelism / _task_cpus(session)))


def _task_cpus(session: SparkSession) -> float:
    return float(session.conf.get("spark.task.cpus", None) or 1)


def _of_settings(session: SparkSession) -> int:
    """Return the number of slots according to the settings."""
    from pyspark.sql import functions as F

    instances = session.conf.get("spark.executor.instances", None)
    cores = session.conf.get("spark.executor.cores", None)
    if instances and cores and not _is_local(session):
        count = int(instances) * int(cores)
    else:
        # One partition for each core of the executors that are registered.
        parts = session.range(1 << 16).select(F.spark_partition_id().alias("part"))
        count = parts.distinct().count()
    return int(count / _task_cpus(session))


def _is_local(session: SparkSession) -> bool:
    """Return whether all tasks run in the driver. A master "local-cluster[...]" has executors."""
    master = str(session.conf.get("spark.master", None))
    return master == "local" or master.startswith("local[")


def check_slots(session: SparkSession, workers: int, owner: str, silence: float) -> None:
    """Raise unless a barrier job of this number of tasks can start.

    `owner` begins the messages. On Spark Connect, a small barrier job must end within `silence` seconds.
    """
    dynamic = session.conf.get("spark.dynamicAllocation.enabled", None)
    if str(dynamic).lower() == "true" and not _is_local(session):  # Spark ignores it on a local master
        raise InvalidParamError(
            f"{owner}: needs {workers} tasks that run at the same time, which Spark does not support with dynamic allocation; "
            f"start the session with spark.dynamicAllocation.enabled=false and spark.executor.instances={workers}"
        )
    available = slots(session)
    wait = 0.0 if _is_local(session) else min(silence, REGISTRATION_SECONDS)
    start = time.monotonic()
    while available < workers and time.monotonic() - start < wait:
        time.sleep(0.5)
        available = slots(session)
    if available < workers and (not is_connect(session) or _is_local(session)):
        raise _too_few(owner, workers, f"the cluster can run {available}")
    if is_connect(session) and not _is_local(session):
        _probe(session, workers, owner, available, silence)


def _too_few(owner: str, workers: int, fact: str) -> InvalidParamError:
    return InvalidParamError(
        f"{owner}: param `numWorkers` is {workers}, so {workers} tasks must run at the same time, and {fact}; reduce `numWorkers`, "
        "or start the session with more: spark.executor.instances, spark.executor.cores, or local[n] as the master"
    )


def _probe(session: SparkSession, workers: int, owner: str, available: int, silence: float) -> None:
    """Run a barrier job that does nothing, and cancel it if it does not end in time."""
    data = session.range(0, workers, 1, workers).mapInArrow(Sent(_nothing), "id long", barrier=True)
    late = threading.Event()
    with cancelling(session) as cancel:

        def stop() -> None:
            late.set()
            cancel()

        timer = threading.Timer(silence, stop)
        timer.daemon = True
        timer.start()
        try:
            data.collect()
        except Exception as error:
            fact = f"about {available} can"
            if late.is_set():
                raise _too_few(owner, workers, f"they did not start within {silence:g} s ({fact})") from None
            if "SPARK-24819" in str(error):
                raise _too_few(owner, workers, f"Spark refused that ({fact})") from None
            raise ExecutionError(
                f"{owner}: a barrier job of {workers} tasks failed: {reason_of(error)}"
            ) from error
        finally:
            timer.cancel()


def _nothing(_: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield nothing."""
    return iter(())

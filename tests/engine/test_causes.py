"""What an error of Spark was caused by."""

from __future__ import annotations

import pytest

from mmlrs.ann import FineTuner, estimate_workers
from mmlrs.engine.causes import carried, cause_of, named, with_own_errors
from mmlrs.errors import DecodeError, InvalidParamError
from mmlrs.featurize import CountSelector, FastVectorAssembler
from mmlrs.testing import sample_model

WORKER = (
    "\n  An exception was thrown from the Python worker. Please see the stack trace below.\n"
    'Traceback (most recent call last):\n  File "/x/worker.py", line 5, in run\n    made = program.run(batch)\n'
    'mmlrs.errors.DecodeError: FeaturizeModel: column `job`, row 3 of the batch: has the value "a: b"\n'
)
TOLD = 'FeaturizeModel: column `job`, row 3 of the batch: has the value "a: b"'
JVM = "\n\tat org.x.Y(Z.scala:1)\nDriver stacktrace:\n"


def of_spark(text: str) -> Exception:
    """An error whose class is in a module of PySpark."""
    return type("SparkException", (Exception,), {"__module__": "pyspark.errors.exceptions.captured"})(text)


def test_the_cause_of_a_failure_in_a_worker_is_what_the_worker_raised():
    assert cause_of(RuntimeError(WORKER)) == f"DecodeError: {TOLD}"
    assert cause_of(RuntimeError(f"Job aborted:{WORKER}{JVM}")) == f"DecodeError: {TOLD}"


def test_a_cause_has_all_lines_but_those_of_the_jvm():
    assert cause_of(ValueError("one\n  two")) == "ValueError: one two"
    assert cause_of(ValueError("[A] is bad\n\nJVM stacktrace:\norg.x.Y\n\tat z")) == "ValueError: [A] is bad"
    assert cause_of(ValueError()) == "ValueError: no message"


@pytest.mark.parametrize(
    "text",
    [
        f"Job aborted:{WORKER}{JVM}",
        f"[USER_RAISED_EXCEPTION] {named(DecodeError, TOLD)} SQLSTATE: P0001",
        f"Job aborted: java.lang.RuntimeException: {named(DecodeError, TOLD)}{JVM}",
        f"Lost task: org.apache.spark.api.python.PythonException: {WORKER.partition('below.')[2].strip()}{JVM}",
        f"Most recent failure: x.PythonException: [PYTHON_EXCEPTION] An exception was thrown from the Python worker: {WORKER.partition('below.')[2].strip()}{JVM}",
    ],
    ids=["worker", "raise-error", "oldest-spark", "jvm", "barrier"],
)
@pytest.mark.parametrize("value", ["a: b", "Traceback (most recent call last):", "SQLSTATE: 1"])
def test_an_error_of_mmlrs_is_found_in_that_of_spark(text, value):
    own = carried(of_spark(text.replace("a: b", value)))
    assert type(own) is DecodeError
    assert str(own) == TOLD.replace("a: b", value)
    with pytest.raises(DecodeError) as raised, with_own_errors():
        raise of_spark(text)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    "error",
    [
        of_spark("Traceback (most recent call last):\nValueError: mmlrs.errors is a module"),
        of_spark("mmlrs.errors.NoSuchThing: x"),
        of_spark("[DIVIDE_BY_ZERO] Division by zero"),
        ValueError(WORKER),
        InvalidParamError(WORKER),
    ],
)
def test_other_errors_stay_as_they_are(error):
    assert carried(error) is None
    with pytest.raises(type(error)) as raised, with_own_errors():
        raise error
    assert raised.value is error


@pytest.mark.spark
def test_what_is_wrong_with_a_row_is_an_error_of_mmlrs_when_spark_fits(spark):
    def rows(*values: object, schema: str) -> object:
        return spark.createDataFrame(list(values), schema).coalesce(1)

    tuner = FineTuner(model=sample_model(), inputCol="x", maxIter=1, numWorkers=1)
    good = [([1.0, 2.0, 3.0, 4.0], "a"), ([4.0, 3.0, 2.0, 1.0], "b")]
    unlabelled = rows(*good, ([1.0] * 4, None), schema="x array<double>, label string")
    empty = rows(*good, (None, "a"), schema="x array<double>, label string")
    gaps = rows((1.0,), (None,), schema="n double")
    assembled = FastVectorAssembler(inputCols=["n"], outputCol="v").transform(gaps)
    null = 'is null; handleInvalid="skip"'
    for work, told in (
        (lambda: tuner.fit(unlabelled), "FineTuner: column `label`: is null or NaN"),
        (lambda: tuner.fit(empty), f"FineTuner: column `x`, row 2 of the batch: {null}"),
        (lambda: estimate_workers(tuner, empty, [1]), f"FineTuner: column `x`, row 2 of the batch: {null}"),
        (
            lambda: CountSelector(inputCol="v").fit(assembled),
            "FastVectorAssembler: column `n`: is null or NaN",
        ),
    ):
        with pytest.raises(DecodeError) as raised:
            work()
        assert str(raised.value).startswith(told)
        assert "\n" not in str(raised.value)

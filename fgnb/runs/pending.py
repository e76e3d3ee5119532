"""A run under way in the background."""

from __future__ import annotations

from concurrent.futures import Future

from fgnb.client.blocking import Submission
from fgnb.client.outcome import Outcome
from fgnb.runs.recording import Recording
from fgnb.runs.run import Run


class PendingRun:
    """A run under way in the background; `future` gives the `Run`, whatever becomes of it."""

    def __init__(self, recording: Recording, submission: Submission) -> None:
        self._submission = submission
        self.future: Future[Run] = Future()

        def ended(done: Future[Outcome]) -> None:
            try:
                run = recording.end(done.result())
            except BaseException as error:  # whoever waits must hear of it, whatever it is
                recording.discard()
                self.future.set_exception(error)
            else:
                self.future.set_result(run)

        submission.future.add_done_callback(ended)

    def cancel(self) -> None:
        """Give the run up: the connection is closed, and the run tells what is known."""
        self._submission.cancel()

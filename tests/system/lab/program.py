"""Running programs: to their end, or beside the test."""

import os
import pathlib
import signal
import subprocess
import tempfile


class Failed(AssertionError):
    """A program that should have succeeded did not."""


def run(argv, *, check=True, timeout=60, stdin=None, env=None):
    """Runs a program to its end; its output is text."""
    done = subprocess.run([str(word) for word in argv], input=stdin, capture_output=True, text=True,
                          timeout=timeout, env=env)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Program:
    """A program that runs beside the test, with its output in a file."""

    def __init__(self, argv, *, log=None, stdin=subprocess.DEVNULL, stdout=None, env=None):
        self.argv = [str(word) for word in argv]
        if log is None:
            handle, log = tempfile.mkstemp(prefix="culvert-", suffix=".log")
            os.close(handle)
            self._own_log = True
        else:
            self._own_log = False
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(self.argv, stdin=stdin, stdout=stdout or output, stderr=output, env=env,
                                            start_new_session=True)  # Ctrl-C is for us; we end them in order

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def wait(self, timeout=30):
        """Its exit code, once it has ended by itself."""
        return self.process.wait(timeout)

    def stop(self, ask=signal.SIGTERM, deadline=10):
        """Asks it to end, and insists after the deadline. The exit code, negative for a signal."""
        if self.running:
            self.process.send_signal(ask)
            try:
                self.process.wait(deadline)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def kill(self):
        if self.running:
            self.process.kill()
            self.process.wait()

    def discard(self):
        """Ends it and forgets what it said."""
        self.kill()
        if self._own_log:
            self.log.unlink(missing_ok=True)

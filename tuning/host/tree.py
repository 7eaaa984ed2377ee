"""The files of a host, below a root. With a root other than / nothing outside of it is changed:
a copied or made-up tree of proc, sys and etc then stands for a host."""

import fcntl
import glob
import os
import re
import stat
import subprocess

PROGRAM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")


def _decode(data):
    return data.decode("utf-8", "surrogateescape")


def _encode(text):
    return text.encode("utf-8", "surrogateescape")


class Tree:
    def __init__(self, root="/"):
        self.root = os.path.realpath(root)
        self.is_host = self.root == "/"
        self._lock = None

    # ---- reading

    def path(self, name):
        """Where `name`, an absolute path on the host, lies."""
        return name if self.is_host else self.root + name

    def read(self, name):
        """The text of a file; None if there is none. OSError if it cannot be read."""
        try:
            with open(self.path(name), "rb") as file:
                return _decode(file.read())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def word(self, name):
        """The text without blanks around it; None if the file is not there or not readable."""
        try:
            text = self.read(name)
        except OSError:
            return None
        return None if text is None else text.strip()

    def exists(self, name):
        return os.path.exists(self.path(name))

    def folder(self, name):
        """The sorted names in a folder, empty if there is none."""
        try:
            return sorted(os.listdir(self.path(name)))
        except OSError:
            return []

    def match(self, pattern):
        found = sorted(glob.glob(self.path(pattern)))
        return found if self.is_host else [path[len(self.root):] for path in found]

    def resolve(self, name):
        """`name` with its links followed, as a path on the host; None if it leaves the tree."""
        real = os.path.realpath(self.path(name))
        if self.is_host:
            return real
        return real[len(self.root):] if real.startswith(self.root + "/") else None

    def mode(self, name):
        return stat.S_IMODE(os.stat(self.path(name)).st_mode)

    def program(self, name):
        """The path of an installed program; None without."""
        for folder in PROGRAM_FOLDERS:
            path = self.path(f"{folder}/{name}")
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
        return None

    # ---- changing; each primitive effect is announced, so that a test can end the process there

    def step(self, what):
        """Called before each effect on a file. Does nothing; tests stop here."""

    def _writable(self, name):
        if self.resolve(name) is None:
            raise PermissionError(f"{name} leads out of {self.root}")
        return self.path(name)

    def write_value(self, name, text):
        """Gives a kernel file a value, in one write. OSError if the kernel refuses."""
        path = self._writable(name)
        data = _encode(text)
        if not self.is_host:
            data = self._as_kernel_would(path, data)
        self.step(f"value {name}")
        file = os.open(path, os.O_WRONLY)
        try:
            os.write(file, data)
            if not self.is_host:
                os.ftruncate(file, len(data))
        finally:
            os.close(file)

    @staticmethod
    def _as_kernel_would(path, data):
        """Files that show all choices with the taken one in brackets keep showing them."""
        with open(path, "rb") as file:
            shown = file.read()
        word = data.strip()
        if not re.search(rb"\[[\w+-]+\]", shown) or b"[" in data:
            return data
        words = shown.replace(b"[", b"").replace(b"]", b"").split()
        if word not in words:
            raise OSError(22, "Invalid argument")
        return b" ".join(b"[" + one + b"]" if one == word else one for one in words) + b"\n"

    @staticmethod
    def spare_name(name):
        """Where the new content of a file lies until it takes the file's place."""
        folder, base = os.path.split(name)
        return f"{folder}/.{base}.ringpost-new"

    def write_file(self, name, text, mode=0o644):
        """Replaces a file whole and durably: at any moment either the old or the new one."""
        path, spare = self._writable(name), self._writable(self.spare_name(name))
        self.step(f"new {name}")
        file = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self.step(f"fill {name}")
            os.write(file, _encode(text))
            os.fchmod(file, mode)
            os.fsync(file)
        finally:
            os.close(file)
        self.step(f"rename {name}")
        os.rename(spare, path)
        self._sync_folder(os.path.dirname(path))

    def append_line(self, name, line, mode=0o600):
        """Adds a line durably. What a torn earlier one left behind is cut first."""
        path = self._writable(name)
        file = os.open(path, os.O_RDWR | os.O_CREAT, mode)
        try:
            old = b""
            while part := os.read(file, 1 << 20):
                old += part
            whole = old.rfind(b"\n") + 1
            os.ftruncate(file, whole)
            os.lseek(file, whole, os.SEEK_SET)
            self._append(file, _encode(line + "\n"))
            os.fsync(file)
        finally:
            os.close(file)
        self._sync_folder(os.path.dirname(path))

    def _append(self, file, data):
        self.step("append")
        os.write(file, data)

    def remove_file(self, name):
        path = self._writable(name)
        self.step(f"remove {name}")
        os.unlink(path)
        self._sync_folder(os.path.dirname(path))

    def make_folder(self, name, mode=0o755):
        path = self._writable(name)
        self.step(f"folder {name}")
        os.mkdir(path, mode)
        self._sync_folder(os.path.dirname(path))

    def make_link(self, name, target):
        path = self._writable(name)
        self.step(f"link {name}")
        os.symlink(target, path)
        self._sync_folder(os.path.dirname(path))

    def link_target(self, name):
        """Where a symbolic link points; None if `name` is none."""
        try:
            return os.readlink(self.path(name))
        except OSError:
            return None

    def remove_link(self, name):
        """Removes the link itself, whatever it points to."""
        folder, base = os.path.split(name)
        path = os.path.join(self._writable(folder), base)
        self.step(f"unlink {name}")
        os.unlink(path)

    def remove_folder(self, name):
        path = self._writable(name)
        self.step(f"rmdir {name}")
        os.rmdir(path)

    @staticmethod
    def _sync_folder(path):
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def lock(self, folder):
        """Holds a folder for this process alone, until unlock() or its end; False if another
        holds it."""
        file = os.open(self.path(folder), os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._lock = file
        return True

    def unlock(self):
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def run(self, program, *arguments, text=None, changes=True):
        """Runs a program of the tree. (exit code, what it said); code 127 if it is not there."""
        path = self.program(program)
        if path is None:
            return 127, f"{program} is not installed"
        if changes:
            self.step(f"run {program}")
        try:
            done = subprocess.run([path, *arguments], input=text, capture_output=True, text=True,
                                  timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return 126, str(error)
        return done.returncode, (done.stdout + done.stderr).strip()

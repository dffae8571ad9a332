"""The cache of the Hugging Face Hub on disk, which huggingface_hub and transformers share.

A repository has the folder `models--org--name`. `blobs/<etag>` are the contents, `snapshots/<commit>/<file>` are links to them,
`refs/<revision>` holds the commit of a branch or tag, and `.no_exist/<commit>/<file>` marks a file that the repository lacks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mmlrs._paths import outside, with_space
from mmlrs.errors import IoError, MmlrsError

__all__ = ["COMMIT", "HubCache"]

#: The form of a commit.
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubCache:
    """The cached files of one repository.

    Parameters
    ----------
    root : Path
        Folder of the cache.
    repo : str
        Repository, as `org/name`.
    symlinks : bool, default True
        Whether links are used where the file system has them. Otherwise files are moved or copied.
    """

    root: Path
    repo: str
    symlinks: bool = True

    @property
    def folder_name(self) -> str:
        """Name of the repository's folder below `root`."""
        return "models--" + self.repo.replace("/", "--")

    @property
    def folder(self) -> Path:
        """The repository's folder."""
        return self.root / self.folder_name

    def snapshot(self, commit: str) -> Path:
        """Return the folder with the files of a commit."""
        return self.folder / "snapshots" / commit

    def blob(self, etag: str) -> Path:
        """Return the path of a content."""
        return self.folder / "blobs" / etag

    def lock(self, etag: str) -> Path:
        """Return the path of the lock for a content."""
        return self.root / ".locks" / self.folder_name / f"{etag}.lock"

    def commit_of(self, revision: str) -> str | None:
        """Return the cached commit of a revision. A commit is its own."""
        if COMMIT.fullmatch(revision):
            return revision
        try:
            text = self.inside(self.folder / "refs" / revision).read_text("utf-8").strip()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, UnicodeDecodeError):
            return None
        except MmlrsError:
            raise
        except OSError as error:
            raise IoError(f"cannot read {self.folder / 'refs' / revision}: {error.strerror}") from None
        return text if COMMIT.fullmatch(text) else None

    def find(self, commit: str, file: str) -> Path | None:
        """Return the path of a cached file, or None.

        Raises
        ------
        IoError
            The file is a link to the outside of the cache.
        """
        path = self.snapshot(commit) / file
        if not os.path.isfile(path):  # unlike Path.is_file, False where permission lacks
            return None
        self.inside(path)
        return path

    def lacks(self, commit: str, file: str) -> bool:
        """Return whether the cache knows that the repository has no such file at that commit."""
        if os.path.isfile(self.folder / ".no_exist" / commit / file):
            return True
        try:
            listing = json.loads((self.folder / "trees" / f"{commit}.json").read_text("utf-8"))
            return listing["format_version"] == 1 and file not in listing["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def inside(self, path: Path) -> Path:
        """Return the path if it and what it links to are below the cache folder.

        Raises
        ------
        IoError
            It links to the outside.
        """
        real = outside(path, self.root)
        if real is not None:
            raise IoError(
                f"{path} is a link to {real}, outside the cache {self.root}; delete the link and try again"
            )
        return path

    @contextmanager
    def writing(self, path: Path) -> Iterator[Path]:
        """Create the folder of a file that is written next, and turn errors of the file system into an IoError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.inside(path.parent).mkdir(parents=True, exist_ok=True)
            yield path
        except MmlrsError:
            raise
        except OSError as error:
            message = f"cannot write {path}: {error.strerror or error}"
            hint = "; set HF_HUB_CACHE to a folder that you may write to"
            raise IoError(with_space(message, str(path), error) + hint) from None

    def note_commit(self, revision: str, commit: str) -> None:
        """Remember the commit of a branch or tag. A cache that cannot be written is left as it is."""
        if revision == commit:
            return
        path = self.folder / "refs" / revision
        with suppress(IoError):
            if self.commit_of(revision) != commit:
                with self.writing(path):
                    draft = _draft(path)
                    draft.write_text(commit, "utf-8")
                    os.replace(draft, path)

    def note_lack(self, commit: str, file: str) -> None:
        """Remember that the repository has no such file at that commit. A cache that cannot be written is left as it is."""
        path = self.folder / ".no_exist" / commit / file
        with suppress(IoError), self.writing(path):
            path.touch()

    def link(self, commit: str, file: str, etag: str, *, new: bool) -> None:
        """Give a blob its name in the snapshot. Without symbolic links, a new blob is moved and an older one is copied."""
        path, blob = self.snapshot(commit) / file, self.blob(etag)
        with self.writing(path):
            draft = _draft(path)
            try:
                if not self.symlinks:
                    raise OSError
                os.symlink(os.path.relpath(blob, path.parent), draft)
            except OSError:
                if new:
                    draft = blob
                else:
                    shutil.copyfile(blob, draft)
            os.replace(draft, path)


def _draft(path: Path) -> Path:
    """Return a name next to the path that nobody else uses."""
    return path.with_name(f"{path.name[:200]}.{os.urandom(4).hex()}.tmp")

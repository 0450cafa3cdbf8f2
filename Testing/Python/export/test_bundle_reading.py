"""A bundle's members are named and hashed by its manifest before anything of them is used."""

from __future__ import annotations

import hashlib
import json
import zipfile

import pytest
from PRRTUptakeLib.export import bundle as module
from PRRTUptakeLib.export.bundle import MANIFEST, read_bundle
from PRRTUptakeLib.export.errors import BundleError

CONTENT = {"measurements.csv": b"a,b\n1,2\n", "protocol.json": b"{}"}


def put(path, members=None, stated=None, manifest=None):
    members = CONTENT if members is None else members
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()} if stated is None else stated
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(MANIFEST, json.dumps({"sha256": hashes}) if manifest is None else manifest)
    return path


def test_members_as_they_were_frozen(tmp_path):
    found = read_bundle(put(tmp_path / "b.zip"))
    assert {name: found[name] for name in CONTENT} == CONTENT


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": {**CONTENT, "more.txt": b"x"}}, "more.txt was added"),
        ({"members": {"protocol.json": b"{}"}}, "measurements.csv is missing"),
        ({"members": {**CONTENT, "protocol.json": b"{ }"}}, "protocol.json differs"),
        ({"members": {**CONTENT, "../evil": b""}, "stated": {"../evil": ""}}, r"\.\./evil|was added"),
        ({"manifest": "no json"}, "not a bundle"),
        ({"manifest": '{"sha256": []}'}, "lists no hashes"),
        ({"manifest": '{"sha256": {"a": 1}}'}, "lists no hashes"),
        ({"manifest": "{}"}, "not a bundle"),
    ],
)
def test_what_is_refused(tmp_path, changes, words):
    with pytest.raises(BundleError, match=words):
        read_bundle(put(tmp_path / "b.zip", **changes))


def test_a_member_that_is_not_named_is_never_unpacked(tmp_path, monkeypatch):
    path = put(tmp_path / "b.zip", {**CONTENT, "bomb.bin": b"\0" * 10_000_000})
    read = []
    original = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, name: read.append(name) or original(self, name))
    with pytest.raises(BundleError, match=r"bomb\.bin was added"):
        read_bundle(path)
    assert set(read) == {MANIFEST}


def test_a_name_twice_and_what_unpacks_without_end(tmp_path, monkeypatch):
    path = put(tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("protocol.json", b"{}")
    with pytest.raises(BundleError, match=r"protocol\.json is in it twice"):
        read_bundle(path)
    monkeypatch.setattr(module, "_MOST_UNPACKED", 5)
    data = b"\0" * 20_000_000
    large = put(tmp_path / "c.zip", {"x": data}, {"x": hashlib.sha256(data).hexdigest()})
    with pytest.raises(BundleError, match="would unpack"):
        read_bundle(large)


def test_bytes_that_are_no_zip(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(BundleError, match="not a bundle"):
        read_bundle(tmp_path / "b.zip")

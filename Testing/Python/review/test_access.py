"""The rules by which a request is answered or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PRRTUptakeLib.review.access import COOKIE, HEADERS, Door, Idle, binding, refusal, require_inside
from PRRTUptakeLib.review.errors import ReviewError

OWN = "http://127.0.0.1:8123"


def asked(host="127.0.0.1:8123", known=True, origin=None, socket=False, where=None):
    found = refusal(where or binding(), 8123, host, known, origin, socket)
    return found.status if found else 200


def test_the_token_opens_once_and_then_the_cookie_does():
    door = Door()
    assert door.enter("wrong") == ""
    assert not door.knows("")
    cookie = door.enter(door.token)
    assert door.knows(cookie)
    assert door.enter(door.token) == ""
    assert not door.knows(door.token)
    assert not door.knows("é")
    assert door.set_cookie(secure=True) == f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict; Secure"
    assert "Secure" not in door.set_cookie(secure=False)


def test_every_server_has_a_token_of_its_own():
    tokens = {Door().token for _ in range(50)}
    assert len(tokens) == 50
    assert min(map(len, tokens)) >= 32


def test_without_the_cookie_nothing_is_answered():
    assert asked(known=False) == 403
    assert asked(known=False, origin=OWN, socket=True) == 403


@pytest.mark.parametrize("host", ["evil.example:8123", "127.0.0.1:8124", "", "127.0.0.1", "localhost.evil:8123"])
def test_a_name_that_is_not_ours_is_refused_as_dns_rebinding_would_use_it(host):
    assert asked(host=host) == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "LOCALHOST:8123", "[::1]:8123"])
def test_the_names_of_this_machine_are_ours(host):
    assert asked(host=host) == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (OWN, 200),
        ("http://localhost:8123", 200),
        (None, 403),
        ("null", 403),
        ("https://evil.example", 403),
        ("http://127.0.0.1:9999", 403),
        ("https://127.0.0.1:8123", 403),
        ("http://127.0.0.1:8123.evil.example", 403),
    ],
)
def test_a_web_socket_is_opened_by_our_own_page_only(origin, status):
    assert asked(origin=origin, socket=True) == status


def test_a_page_is_fetched_without_origin_but_not_from_another_page():
    assert asked() == 200
    assert asked(origin="https://evil.example") == 403


def test_only_this_machine_is_served_unless_stated():
    assert binding().host == "127.0.0.1"
    for host in ("0.0.0.0", "192.168.1.5", "review.example.org", "::"):
        with pytest.raises(ReviewError, match="everybody in the network could listen"):
            binding(host=host)


def test_another_host_needs_tls_or_a_stated_proxy(tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    tls = binding(host="10.0.0.2", certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    assert tls.address(8123, "abc") == "https://10.0.0.2:8123/?token=abc"
    assert asked("10.0.0.2:8123", origin="https://10.0.0.2:8123", socket=True, where=tls) == 200
    assert asked("10.0.0.2:8123", origin="http://10.0.0.2:8123", socket=True, where=tls) == 403
    proxy = binding(host="10.0.0.2", behind_proxy="https://review.example.org/")
    assert proxy.address(8123, "abc") == "https://review.example.org/?token=abc"
    assert asked("review.example.org", origin="https://review.example.org", socket=True, where=proxy) == 200
    assert asked("review.example.org", origin="http://review.example.org", socket=True, where=proxy) == 403


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 70000}, "The port is 70000"),
        ({"certificate": Path("nowhere.pem")}, "belong together"),
        ({"certificate": Path("nowhere.pem"), "key": Path("nowhere.pem")}, "does not exist"),
        ({"behind_proxy": "http://review.example.org"}, "must be its origin"),
        ({"behind_proxy": "https://review.example.org/path"}, "must be its origin"),
        ({"behind_proxy": "review"}, "must be its origin"),
    ],
)
def test_a_way_of_serving_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ReviewError, match=message):
        binding(**settings)


def test_only_the_given_folders_are_read(tmp_path):
    inside, outside = tmp_path / "cohort", tmp_path / "cohort2"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "image.dcm").write_text("")
    require_inside([inside / "image.dcm", inside / "a" / ".." / "image.dcm"], [inside])
    (inside / "link.dcm").symlink_to(outside / "image.dcm")
    for path in (
        outside / "image.dcm",
        inside / ".." / "cohort2" / "image.dcm",
        inside / "link.dcm",
        Path("/etc/passwd"),
    ):
        with pytest.raises(ReviewError, match=r"is outside the folders that were given .*--folder"):
            require_inside([path], [inside])
    require_inside([inside / "link.dcm"], [inside, outside])


def test_nothing_is_fetched_from_elsewhere_or_kept():
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "http:" not in policy
    assert "https:" not in policy
    assert HEADERS["Cache-Control"] == "no-store"


def test_a_server_that_nobody_uses_ends():
    idle = Idle(600.0, last_s=100.0)
    assert not idle.is_over(699.9)
    idle.seen(500.0)
    idle.seen(400.0)
    assert not idle.is_over(1099.9)
    assert idle.is_over(1100.0)
    assert not Idle(0.0, last_s=0.0).is_over(1e9)

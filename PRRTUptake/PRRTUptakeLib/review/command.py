"""``prrt review``: its arguments, and what it does with them; everything else is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

SCENE = "patient.mrb"

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from PRRTUptakeLib.study.model import Extension


def review_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    add = parser.add_argument
    add("source", type=Path, metavar="CASE.json|RESULTS|COHORT_DIR", help="one case, the results of one, or a cohort")
    add(
        "--reader",
        default="",
        metavar="NAME",
        help="read blinded, in an order of the reader's own, and keep the readings",
    )
    add(
        "--readings", type=Path, metavar="DIR", help="folder of the readings (default: readings in the source's folder)"
    )
    add("--adjudicate", nargs=2, default=(), metavar="NAME", help="decide between the readings of these two")
    add(
        "--apply",
        type=Path,
        metavar="READINGS.jsonl",
        help="write the case with a complete reading's decisions, and end",
    )
    add("--slicer", action="store_true", help="open the scene of results, or of a case that is run, in Slicer, and end")
    add("-o", "--output", type=Path, metavar="CASE.json", help="case file that --apply makes")
    add("--folder", type=Path, action="append", default=[], metavar="DIR", help="further folder that may be read")
    add("--port", type=int, default=0, help="port to listen on (default: any that is free)")
    add("--no-browser", action="store_true", help="print the address only")
    add("--host", default="127.0.0.1", help="address to listen on; any but this machine needs TLS or a proxy")
    add("--certificate", type=Path, metavar="FILE.pem", help="certificate of TLS")
    add("--key", type=Path, metavar="FILE.pem", help="key of the certificate")
    add("--behind-proxy", default="", metavar="ORIGIN", help="address of a proxy with TLS, such as https://review.org")
    add("--idle-minutes", type=float, default=60.0, metavar="M", help="end without use (default: 60; 0 for never)")
    parser.set_defaults(refuse=parser.error)


def review(arguments: argparse.Namespace, extensions: Sequence[Extension] = ()) -> None:
    """Run ``prrt review``; ``extensions`` add to results."""
    from PRRTUptakeLib.review.access import binding, is_loopback
    from PRRTUptakeLib.review.source import reading_room, source_of

    if arguments.apply is not None:
        _apply(arguments)
        return
    if arguments.slicer:
        _open_in_slicer(arguments)
        return
    if arguments.adjudicate and not arguments.reader:
        arguments.refuse("--adjudicate goes with --reader, the name of the one who decides")
    where = binding(arguments.host, arguments.port, arguments.certificate, arguments.key, arguments.behind_proxy)
    source = source_of(arguments.source, arguments.folder)
    room = reading_room(source, arguments.reader, arguments.readings, arguments.adjudicate, extensions)
    room.serves_this_machine = is_loopback(where.host) and not where.public
    from PRRTUptakeLib.review.server import serve

    serve(room, where, browser=not arguments.no_browser, idle_minutes=arguments.idle_minutes)


def _open_in_slicer(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.review.source import source_of
    from PRRTUptakeLib.review.to_slicer import open_scene, to_slicer
    from PRRTUptakeLib.study.readings.reading import Reading

    if arguments.reader:
        arguments.refuse("--slicer does not go with --reader: a scene in Slicer shows names and dates")
    scene = arguments.source / SCENE
    if scene.is_file():
        print(open_scene(scene))
        return
    cases = source_of(arguments.source, arguments.folder).cases
    if len(cases) != 1:
        arguments.refuse(f"--slicer opens one case, but {arguments.source} has {len(cases)}: name one of them")
    ((name, case),) = cases.items()
    print(to_slicer(case, Reading(case=name)))


def _apply(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.review.source import source_of
    from PRRTUptakeLib.study.errors import StudyError
    from PRRTUptakeLib.study.readings.journal import read_records, states
    from PRRTUptakeLib.study.readings.settings import case_with_reading

    if arguments.output is None:
        arguments.refuse("--apply goes with -o CASE.json")
    records = list(read_records(arguments.apply))
    found = states(records, arguments.apply.name)
    complete = {case: state for case, state in found.items() if state.status == "complete"}
    cases = source_of(arguments.source).cases
    known = [case for case in cases if case in complete]
    if len(known) != 1:
        said = f"complete readings of {', '.join(complete) or 'no case'}"
        raise StudyError(
            f"{arguments.apply.name} has {said}; name the case file of one of them, not {arguments.source}."
        )
    (case,) = known
    made = case_with_reading(cases[case], complete[case].reading, arguments.output, records[0].reader)
    print(f"Case: {made}")

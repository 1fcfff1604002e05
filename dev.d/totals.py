"""Adds up the results of several test runners: totals.py FAILED REPORT.xml…, where FAILED says (0 or 1) whether
something went wrong that may not have got into a report, such as a build."""

import sys
import xml.etree.ElementTree as ElementTree

FAILURES = {"failure", "error"}


def result_of(case):
    marks = {child.tag for child in case}
    if marks & FAILURES:
        return "failed"
    return "skipped" if "skipped" in marks or case.get("status") == "notrun" else "passed"


def main():
    went_wrong, reports = sys.argv[1] != "0", sys.argv[2:]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for report in reports:
        try:
            cases = list(ElementTree.parse(report).iter("testcase"))
        except (OSError, ElementTree.ParseError) as error:
            print(f"{report}: {error}", file=sys.stderr)
            went_wrong = True
            continue
        for case in cases:
            result = result_of(case)
            count[result] += 1
            if result != "passed":
                print(f"{result}: {case.get('classname')}.{case.get('name')}")
    if went_wrong and not count["failed"]:
        count["failed"] = 1
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())

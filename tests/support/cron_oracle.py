#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# What cron expressions mean where clocks change, found by looking at every minute with Python's zoneinfo. Prints lines
#   zone TAB expression TAB since TAB until TAB instant,instant,...
# in UTC: all instants after `since` and up to `until`. Exit code 77: this Python has no zoneinfo.
import sys
from datetime import datetime, timedelta, timezone

try:
    from zoneinfo import ZoneInfo, available_timezones
except ImportError:
    sys.exit(77)

EXPRESSIONS = (
    "* * * * *", "*/15 * * * *", "0 * * * *", "7,37 * * * *", "30 2 * * *", "0 2 * * *", "0 3 * * *", "30 1 * * *",
    "15,45 1-3 * * *", "0 0 * * *", "30 0 * * *", "0 */2 * * *", "59 23 * * *", "30 2 * * 0", "0 4 * * 1-5", "5 1 * 3 *",
    "*/20 2 * * *", "10 0-5 * * *", "45 1,2,3,23 * * *", "0 0-22 * * *")
MINUTE = timedelta(minutes=1)
BEFORE, AFTER = timedelta(hours=3), timedelta(hours=5)


def numbers(field, low, high):
    out = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = low, high
        out.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return out


class Expression:
    def __init__(self, text):
        minute, hour, day, month, weekday = text.split()
        self.minutes, self.hours = numbers(minute, 0, 59), numbers(hour, 0, 23)
        self.days, self.months, self.weekdays = numbers(day, 1, 31), numbers(month, 1, 12), numbers(weekday, 0, 6)
        self.follows_time = len(self.hours) == 24

    def fits(self, local):
        return (local.minute in self.minutes and local.hour in self.hours and local.day in self.days
                and local.month in self.months and (local.weekday() + 1) % 7 in self.weekdays)


def offset(zone, at):
    return at.astimezone(zone).utcoffset()


def transitions(zone, years):
    found, at, end = [], datetime(years[0], 1, 1, tzinfo=timezone.utc), datetime(years[1], 1, 1, tzinfo=timezone.utc)
    while at < end:
        later = at + timedelta(days=7)
        if offset(zone, at) != offset(zone, later):
            low, high = at, later
            while high - low > MINUTE:
                middle = low + (high - low) // 2 // MINUTE * MINUTE
                low, high = (middle, high) if offset(zone, middle) == offset(zone, at) else (low, middle)
            found.append(high)
        at = later
    return found


# Minute by minute of real time: what the clock shows, which of two showings it is, and what it has just skipped.
def expected(expression, zone, since, until):
    out, at = [], since + MINUTE
    while at <= until:
        local = at.astimezone(zone)
        shown, before = local.replace(tzinfo=None), (at - MINUTE).astimezone(zone).replace(tzinfo=None)
        skipped = []
        if not expression.follows_time:
            wall = before + MINUTE
            while wall < shown:
                skipped.append(wall)
                wall += MINUTE
        if expression.follows_time:
            is_due = expression.fits(shown)
        else:
            is_due = (local.fold == 0 and expression.fits(shown)) or any(expression.fits(wall) for wall in skipped)
        if is_due:
            out.append(at)
        at += MINUTE
    return out


def main():
    wanted, count = int(sys.argv[1]), 0
    expressions = [(text, Expression(text)) for text in EXPRESSIONS]
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        if "/" not in name or name.startswith(("Etc/", "SystemV/")) or count == wanted:
            continue
        changes = transitions(zone, (2009, 2027))[-2:]
        if len(changes) < 2 or any((offset(zone, at) - offset(zone, at - MINUTE)).seconds % 60 for at in changes):
            continue
        count += 1
        for change in changes:
            since, until = change - BEFORE, change + AFTER
            for text, expression in expressions:
                instants = expected(expression, zone, since, until)
                print(name, text, since.isoformat(), until.isoformat(), ",".join(at.isoformat() for at in instants),
                      sep="\t")


main()

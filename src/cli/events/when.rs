//! Times as operators write and read them: UTC, to the millisecond.

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// `2026-11-22T16:10:00.250Z` for milliseconds since the Unix epoch.
pub(in crate::cli) fn utc(ms: u64) -> String {
    let (days, rest) = (ms / DAY_MS, ms % DAY_MS);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
}

/// Reads milliseconds since the Unix epoch, `2026-11-22`, or
/// `2026-11-22T16:10[:00[.250]]Z`.
pub(in crate::cli) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: write 2026-11-22T16:10:00Z, 2026-11-22, or milliseconds since 1970");
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    read(text).ok_or_else(wrong)
}

fn read(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00"),
    };
    let mut parts = date.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if parts.next().is_some() || !is_date || hour > 23 || minute > 59 || second > 59 || fraction.len() > 3 {
        return None;
    }
    let days = days(year, month, day);
    // A day that the month does not have comes back as another.
    if civil(days) != (year, month, day) {
        return None;
    }
    let ms = number(&format!("{fraction:0<3}"))?;
    Some(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms)
}

fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted
/// from March, so that the leap day is the last one.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

/// Year, month and day of a day after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let (month, day) = ((from_march + 2) % 12 + 1, of_year - (153 * from_march + 2) / 5 + 1);
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_read_and_written() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:34:56.789Z", 951_827_696_789),
            ("2026-11-22T16:10:00.250Z", 1_795_363_800_250),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(utc(ms), text);
            assert_eq!(parse(text), Ok(ms));
        }
        assert_eq!(parse("2026-11-22"), parse("2026-11-22T00:00Z"));
        assert_eq!(parse("17"), Ok(17));
        for bad in [
            "",
            "now",
            "2026-13-01",
            "2026-02-30",
            "2100-02-29",
            "2026-11-22T24:00Z",
            "2026-11-22T10:00",
            "-5",
            "99999999999999999999999",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_day_comes_back() {
        for day in 0..200_000 {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }
}

//! Currencies, and how many of their digits are minor units.

/// A currency in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Currency {
    /// Its ISO 4217 code.
    pub(crate) code: &'static str,
    /// How many decimal digits its minor unit has: 2 for the euro's cent, 0 for the yen.
    pub(crate) exponent: u32,
}

impl Currency {
    /// The currency of an ISO 4217 code, in capitals.
    pub(crate) fn parse(text: String) -> Result<Self, &'static str> {
        Self::of(&text).ok_or("use an ISO 4217 code of a currency in use, such as `EUR`")
    }

    pub(crate) fn of(code: &str) -> Option<Self> {
        let (exponent, codes) = CURRENCIES.iter().find(|(_, codes)| codes.contains(&code))?;
        let code = codes.iter().find(|known| **known == code)?;
        Some(Self { code, exponent: *exponent })
    }

    /// How many minor units that many whole ones are.
    pub(crate) fn minor(self, major: i64) -> i64 {
        // The largest exponent is 4: callers' constants are far from where this saturates.
        major.saturating_mul(10_i64.saturating_pow(self.exponent))
    }
}

/// ISO 4217's list one as of January 2026, by exponent, without funds, metals, testing codes and units of account.
const CURRENCIES: &[(u32, &[&str])] = &[
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
            "XPF",
        ],
    ),
    (
        2,
        &[
            "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BMD", "BND", "BOB",
            "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP", "CRC", "CUP", "CVE", "CZK",
            "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ",
            "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD",
            "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR",
            "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP",
            "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS",
            "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH",
            "USD", "UYU", "UZS", "VED", "VES", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_currency_in_use_is_refused() {
        for bad in ["", "eur", "EURO", "EU", "XXX", "XTS", "XAU", "DEM", "HRK", "EUR ", "ＥＵＲ"] {
            assert!(Currency::parse(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn minor_units_are_of_the_currency() {
        for (code, minor) in [("JPY", 5), ("EUR", 500), ("KWD", 5_000)] {
            assert_eq!(Currency::of(code).unwrap().minor(5), minor, "{code}");
        }
    }

    #[test]
    fn every_code_is_three_capitals_and_listed_once() {
        let mut codes: Vec<_> = CURRENCIES.iter().flat_map(|(_, codes)| *codes).collect();
        assert!(codes.iter().all(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())));
        let count = codes.len();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}

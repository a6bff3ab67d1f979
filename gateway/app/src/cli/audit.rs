//! `cedargate audit`.

use std::fs;
use std::path::{Path, PathBuf};

use cedargate_audit::{Break, Broken, Entry, EntryBody, Marker, read, verify};
use cedargate_model::{
    AccountAct, AccountEvent, AdmissionAct, AdmissionEvent, By, Credential, Decision, DecisionId, Event, EventBody,
    GrantType, KeyEvent, ProvisioningAct, ProvisioningEvent, RoleName, ServiceEvent, SigninResult, TenantName,
    TokenAct, TokenEvent, Verdict,
};
use clap::Subcommand;
use ed25519_dalek::VerifyingKey;
use serde_json::json;

use super::audit_archive::{Export, Prove, Seal, verify_if_archive, verify_receipt};
use super::output::Output;
use super::{Common, Ending, Failure};
use crate::keys::public_keys;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prove an audit log, an archive, an export or a single proof
    ///
    /// Of a log, the chain and the signed heads; of an archive or an export, every entry, tile and signed root; of a proof,
    /// that it leads from the event to a signed root. Logs and archives also while they are being written. Ends with 0 where
    /// it holds, with 1 and the first break where it does not.
    Verify {
        /// The directory of a log, an archive or an export; the configured log where it is left out
        dir: Option<PathBuf>,
        /// A proof that `cedargate audit prove` or the gateway gave. Needs nothing but the public key
        #[arg(long, value_name = "FILE", conflicts_with = "dir")]
        receipt: Option<PathBuf>,
        /// A checkpoint of the archive that was kept elsewhere: it has to be the beginning of what is there now. May be given
        /// more than once.
        #[arg(long, value_name = "FILE", conflicts_with = "receipt")]
        since: Vec<PathBuf>,
        /// The directory is an export of this tenant's entries. Without it, one that says so itself does not hold.
        #[arg(long, value_name = "NAME", value_parser = TenantName::parse, conflicts_with = "receipt")]
        export_of: Option<TenantName>,
        /// The public keys of which one must have signed last, as `cedargate keys export-public audit` prints them; may
        /// be given more than once. Without it, the keys beside the log are used, which proves consistency only.
        #[arg(long, value_name = "FILE")]
        public_key: Vec<PathBuf>,
        /// Answer as JSON: {"holds": true, "report": {..}} or {"holds": false, "break": {..}}
        #[arg(long)]
        json: bool,
    },
    Seal(Seal),
    Prove(Prove),
    Export(Export),
    /// Show the entries of an audit log, oldest first
    Show {
        /// The log's directory; the configured one where it is left out
        dir: Option<PathBuf>,
        /// Only this tenant's
        #[arg(long, value_parser = TenantName::parse)]
        tenant: Option<TenantName>,
        /// Only what belongs to this decision
        #[arg(long, value_name = "ID")]
        decision: Option<DecisionId>,
        /// One line of JSON for each entry, markers of the log's own files included
        #[arg(long)]
        json: bool,
    },
}

impl AuditCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Verify { json, .. } | Self::Show { json, .. } => *json,
            Self::Seal(command) => command.json,
            Self::Export(command) => command.json,
            // What it prints is JSON as it stands.
            Self::Prove(_) => false,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        match self {
            Self::Seal(command) => command.run(common, output),
            Self::Prove(command) => command.run(common, output),
            Self::Export(command) => command.run(common, output),
            Self::Verify { dir, receipt, since, export_of, public_key, .. } => {
                let trusted: Vec<_> = public_key.iter().map(|file| read_public_keys(file)).collect::<Result<_, _>>()?;
                let trusted = trusted.concat();
                if let Some(receipt) = receipt {
                    return verify_receipt(&receipt, &trusted, output);
                }
                let dir = directory(dir, common)?;
                if let Some(ending) = verify_if_archive(&dir, export_of.as_ref(), &trusted, &since, output)? {
                    return Ok(ending);
                }
                match verify(&dir, trusted) {
                    Ok(report) => output.answer(&json!({ "holds": true, "report": report }), &report),
                    Err(broken) if broken.what == Break::Exhausted => {
                        return Err(Failure::unavailable_because("the log could not be looked at", &broken));
                    }
                    Err(broken) => {
                        output.answer(&json!({ "holds": false, "break": broken }), format_args!("BROKEN at {broken}"));
                        return Ok(Ending::No);
                    }
                }
                Ok(Ending::Done)
            }
            Self::Show { dir, tenant, decision, .. } => {
                let dir = directory(dir, common)?;
                let mut broken = false;
                for entry in read(&dir) {
                    broken |= entry.is_err();
                    show(entry, tenant.as_ref(), decision, output);
                }
                Ok(Ending::yes_if(!broken))
            }
        }
    }
}

/// A directory that is there. The configuration is read only where it is needed.
pub(super) fn directory(given: Option<PathBuf>, common: &Common) -> Result<PathBuf, Failure> {
    let dir = match given {
        Some(dir) => dir,
        None => common.load()?.audit.dir,
    };
    match fs::read_dir(&dir) {
        Ok(_) => Ok(dir),
        Err(error) => {
            Err(Failure::unavailable_because(format_args!("the directory `{}` cannot be read", dir.display()), &error))
        }
    }
}

/// At least one key: a file that names none must not turn a proof into one that trusts nobody.
pub(super) fn read_public_keys(file: &Path) -> Result<Vec<VerifyingKey>, Failure> {
    let cannot = |error| Failure::unavailable_because(format_args!("`{}` cannot be read", file.display()), &error);
    let text = fs::read_to_string(file).map_err(cannot)?;
    public_keys(&text).filter(|keys| !keys.is_empty()).ok_or_else(|| {
        let hint = "is not an Ed25519 public key as PEM; `cedargate keys export-public audit` prints one";
        Failure::mistake(format!("`{}` {hint}", file.display()))
    })
}

fn show(entry: Result<Entry, Broken>, tenant: Option<&TenantName>, decision: Option<DecisionId>, output: &Output) {
    match entry {
        Err(broken) => output.answer(&json!({ "break": broken }), format_args!("BROKEN at {broken}")),
        Ok(entry) => {
            let unfiltered = tenant.is_none() && decision.is_none();
            match &entry.body {
                EntryBody::Marker(marker) if unfiltered => {
                    let value = json!({ "boot": entry.boot, "sequence": entry.sequence, "marker": marker });
                    output
                        .answer(&value, format_args!("{:>4}:{:<8} ({})", entry.boot, entry.sequence, describe(marker)));
                }
                EntryBody::Event(event) if unfiltered || wanted(event, tenant, decision) => {
                    let value = json!({ "boot": entry.boot, "sequence": entry.sequence, "event": event });
                    output.answer(&value, format_args!("{:>4}:{:<8} {}", entry.boot, entry.sequence, summary(event)));
                }
                EntryBody::Marker(_) | EntryBody::Event(_) => {}
            }
        }
    }
}

fn wanted(event: &Event, tenant: Option<&TenantName>, decision: Option<DecisionId>) -> bool {
    let of_tenant = tenant.is_none_or(|tenant| event.tenant.as_ref() == Some(tenant));
    let of_decision = decision.is_none_or(|wanted| match &event.body {
        EventBody::Decision(decision) => decision.decision == wanted,
        EventBody::Amendment(amendment) => amendment.decision == wanted,
        EventBody::Outcome(outcome) => outcome.decision == wanted,
        EventBody::Signin(signin) => signin.decision == wanted,
        EventBody::Account(done) => done.decision == Some(wanted),
        EventBody::Admission(done) => done.decision == Some(wanted),
        EventBody::Token(done) => done.decision == wanted,
        EventBody::Provisioning(done) => done.decision == Some(wanted),
        EventBody::ServiceEvent(said) => said.decision == wanted,
        EventBody::Folded(_) | EventBody::Key(_) | EventBody::PolicyChange(_) => false,
    });
    of_tenant && of_decision
}

/// An event on one line.
fn summary(event: &Event) -> String {
    let tenant = event.tenant.as_ref().map_or("-", TenantName::as_str);
    let what = match &event.body {
        EventBody::Decision(decision) => decided(decision),
        EventBody::Amendment(amendment) => {
            format!("amended  {} {} by {}", amendment.decision, amendment.code, amendment.stage.as_str())
        }
        EventBody::Outcome(outcome) => {
            let status = outcome.status.map_or("-".to_owned(), |status| status.to_string());
            format!(
                "outcome  {} {status} {} octets {} us",
                outcome.decision, outcome.response_bytes, outcome.duration_micros
            )
        }
        EventBody::Folded(folded) => {
            format!("folded   {} times {} from {}", folded.count, folded.code, folded.prefix)
        }
        EventBody::Signin(signin) => {
            let who = signin.principal.map_or("-".to_owned(), |principal| principal.to_string());
            let by = signin.connection.as_ref().map_or_else(String::new, |name| format!(" by {name}"));
            let why = signin.reason.map_or_else(String::new, |reason| format!(": {reason}"));
            let result = signed(signin.result);
            format!("sign-in  {} {result} {who} from {}{by}{why}", signin.decision, signin.client)
        }
        EventBody::Account(done) => {
            let AccountEvent { decision, principal, client, by, connection, act, .. } = &**done;
            let decision = decision.map_or("-".to_owned(), |decision| decision.to_string());
            let from = client.map_or_else(String::new, |client| format!(" from {client}"));
            let by = match by {
                By::Person => "",
                By::Provider => " by the provider",
                By::Operator => " by an operator",
            };
            let at = connection.as_ref().map_or_else(String::new, |connection| format!(" at {connection}"));
            format!("account  {decision} {} {principal}{from}{by}{at}", acted(act))
        }
        EventBody::Admission(done) => {
            let AdmissionEvent { decision, purpose, principal, client, by, act, .. } = &**done;
            let decision = decision.map_or("-".to_owned(), |decision| decision.to_string());
            let who = principal.map_or("-".to_owned(), |principal| principal.to_string());
            let from = client.map_or_else(String::new, |client| format!(" from {client}"));
            let by = match by {
                By::Person => "",
                By::Provider => " by the provider",
                By::Operator => " by an operator",
            };
            format!("link     {decision} {} {} {who}{from}{by}", purpose.as_str(), admitted(act))
        }
        EventBody::Token(done) => {
            let TokenEvent { decision, principal, client, act, .. } = &**done;
            let who = principal.map_or("-".to_owned(), |principal| principal.to_string());
            format!("token    {decision} {} {who} from {client}", became(act))
        }
        EventBody::Provisioning(done) => {
            let ProvisioningEvent { decision, token, connection, act, .. } = &**done;
            let decision = decision.map_or("-".to_owned(), |decision| decision.to_string());
            let whom = whom(act).map_or_else(String::new, |whom| format!(" {whom}"));
            format!("scim     {decision} {}{whom} by token {token} of {connection}", act.as_str())
        }
        EventBody::Key(taken) => key_taken(taken),
        EventBody::PolicyChange(done) => {
            format!("policies {} by {}: {}", done.change, done.person, done.act.describe())
        }
        EventBody::ServiceEvent(said) => {
            let ServiceEvent { decision, service, action, resource, detail, .. } = &**said;
            let facts = if detail.is_empty() { String::new() } else { format!(" {}", json!(detail)) };
            format!("did      {decision} {service} {action} {resource}{facts}")
        }
    };
    format!("{} {tenant:<12} {what}", moment(event.at.0))
}

fn decided(decision: &Decision) -> String {
    let verdict = match &decision.verdict {
        Verdict::Allow => "allow   ".to_owned(),
        Verdict::Preflight => "preflight".to_owned(),
        Verdict::Refuse { stage, code, .. } => format!("refuse   {code} by {}", stage.as_str()),
    };
    let who = decision.subject.as_ref().map_or("anonymous".to_owned(), |subject| match subject.credential {
        Credential::Session => subject.principal.to_string(),
        // What was shown, as well: an account may have several.
        by => format!("{} by {} {}", subject.principal, by.as_str(), subject.session),
    });
    format!("{verdict} {} {} {}{} {who}", decision.decision, decision.method, decision.host, decision.path)
}

fn describe(marker: &Marker) -> String {
    match marker {
        Marker::SegmentOpened(opened) => {
            format!("segment {} of boot {} of `{}` begins", opened.segment, opened.boot, opened.instance)
        }
        Marker::SegmentClosed(_) => "the segment ends in order".to_owned(),
    }
}

fn signed(result: SigninResult) -> &'static str {
    match result {
        SigninResult::Succeeded => "succeeded",
        SigninResult::Failed => "failed",
        SigninResult::Delayed => "delayed",
        SigninResult::SignedOut => "signed out",
        SigninResult::EndedByProvider => "ended by the provider",
        SigninResult::EndingRefused => "ending refused",
    }
}

fn acted(act: &AccountAct) -> String {
    match act {
        AccountAct::FactorAdded { factor, method } => format!("added {} {factor} to", method.as_str()),
        AccountAct::FactorRenamed { factor } => format!("renamed {factor} of"),
        AccountAct::FactorRemoved { factor, method } => format!("removed {} {factor} of", method.as_str()),
        AccountAct::ProofFailed { method } => format!("failed {} of", method.as_str()),
        AccountAct::ProofRefused { method, reason, .. } => format!("refused {} ({reason}) of", method.as_str()),
        AccountAct::ProofDelayed { method } => format!("delayed {} of", method.as_str()),
        AccountAct::SteppedUp { method, level, .. } => format!("stepped up to {level} by {} as", method.as_str()),
        AccountAct::KeptPostSent { action, .. } => format!("sent a kept form for {action} as"),
        AccountAct::RecoveryCodesDrawn { count } => format!("drew {count} recovery codes for"),
        AccountAct::NewDevice => "signed in on a new device as".to_owned(),
        AccountAct::SessionsEnded { ended } => format!("ended {} sessions of", ended.len()),
        AccountAct::FactorsRemoved { count } => format!("removed all {count} factors of"),
        AccountAct::AccountCreated { roles } => format!("made, with the roles {},", listed(roles)),
        AccountAct::RolesChanged { roles } => format!("gave the roles {} to", listed(roles)),
        AccountAct::PasswordSet { passkeys_removed: 0 } => "set the password of".to_owned(),
        AccountAct::PasswordSet { passkeys_removed } => {
            format!("set the password and removed {passkeys_removed} passkeys of")
        }
        AccountAct::AccountDisabled => "disabled".to_owned(),
        AccountAct::AccountEnabled => "enabled".to_owned(),
        AccountAct::IdentityLinked => "linked a person at a provider to".to_owned(),
        AccountAct::KeyCreated { key, roles, .. } => {
            let roles = roles.as_ref().map_or_else(|| "all its roles".to_owned(), |roles| listed(roles));
            format!("made the key {key} with {roles} for")
        }
        AccountAct::KeyRevoked { key } => format!("revoked the key {key} of"),
        AccountAct::CertificateAdded { certificate, kind, value } => {
            format!("added the certificate {certificate} ({kind} {value}) to")
        }
        AccountAct::CertificateRevoked { certificate } => format!("revoked the certificate {certificate} of"),
        AccountAct::IdentityUnlinked => "unlinked a person at a provider from".to_owned(),
        AccountAct::ConsentGiven { document, version } => format!("agreed to {} {version},", document.as_str()),
    }
}

/// What something that a provider told is about.
fn whom(act: &ProvisioningAct) -> Option<String> {
    match act {
        ProvisioningAct::TokenCreated { .. } | ProvisioningAct::TokenRevoked => None,
        ProvisioningAct::UserCreated { principal, .. }
        | ProvisioningAct::UserChanged { principal, .. }
        | ProvisioningAct::UserActivated { principal }
        | ProvisioningAct::UserDeactivated { principal, .. }
        | ProvisioningAct::UserDeleted { principal, .. } => Some(principal.to_string()),
        ProvisioningAct::GroupCreated { group }
        | ProvisioningAct::GroupChanged { group, .. }
        | ProvisioningAct::GroupDeleted { group } => Some(group.to_string()),
        ProvisioningAct::RolesChanged { accounts } => Some(format!("of {} accounts", accounts.len())),
    }
}

fn admitted(act: &AdmissionAct) -> String {
    match act {
        AdmissionAct::Asked => "asked for".to_owned(),
        AdmissionAct::Delayed => "delayed".to_owned(),
        AdmissionAct::Invited { roles } => format!("invited, with the roles {},", listed(roles)),
        AdmissionAct::Sent => "sent to".to_owned(),
        AdmissionAct::Used => "used by".to_owned(),
        AdmissionAct::Refused { reason } => format!("refused ({})", reason.as_str()),
        AdmissionAct::Approved { roles } => format!("approved, with the roles {},", listed(roles)),
        AdmissionAct::Denied => "denied".to_owned(),
    }
}

fn listed(roles: &[RoleName]) -> String {
    match roles.is_empty() {
        true => "none".to_owned(),
        false => roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join("+"),
    }
}

fn key_taken(taken: &KeyEvent) -> String {
    let KeyEvent { purpose, key, former, withdrawn } = taken;
    let signs = if key == former { "signs on".to_owned() } else { format!("signs after {former}") };
    let withdrawn: String = withdrawn.iter().map(|key| format!(", {key} counts no more")).collect();
    format!("key      {key} {signs} for `{purpose}`{withdrawn}")
}

fn became(act: &TokenAct) -> String {
    match act {
        TokenAct::Issued { by, token } => format!("issued {token} by {} to", by.as_str()),
        TokenAct::Refused { by, reason } => {
            format!("refused by {}: {} to", by.map_or("-", GrantType::as_str), reason.as_str())
        }
        TokenAct::Taken => "took an issuer's JWT at the door of".to_owned(),
        TokenAct::Reused => "ended the family of a reused refresh token of".to_owned(),
        TokenAct::Revoked { token } => format!("revoked {token} of"),
        TokenAct::GrantRevoked => "revoked a family of".to_owned(),
    }
}

/// RFC 3339, UTC, to the millisecond.
pub(super) fn moment(micros: i64) -> String {
    let (seconds, millis) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) / 1_000);
    let (mut day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Four hundred years have the same days whenever they begin; what is left of them is counted year by year.
    let mut year = 1970 + 400 * day.div_euclid(146_097);
    day = day.rem_euclid(146_097);
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", day + 1)
}

fn days_of(year: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_moment_is_a_date() {
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(951_782_399_999_000), "2000-02-28T23:59:59.999Z");
        assert_eq!(moment(951_782_400_000_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(moment(1_795_132_800_123_456), "2026-11-20T00:00:00.123Z");
        assert_eq!(moment(-1), "1969-12-31T23:59:59.999Z");
    }
}

# The English texts. Every other language has the same messages, with the same arguments and the same elements: the build says where
# one differs. docs/guides/texts.md says how to add one.
#
# An argument is a text unless the comment above its message says (Number) or (Address). A message with an element in it is markup.

## On every page

languages = Language
start-page-of = Start page of { $tenant }
back-to-start = Back to the start page
go-on = Continue
cancel = Cancel
done = Done
or = or
your-password = Your password
name-question = What do you call it?
code = Code
request = Request
# $seconds (Number)
wait = { $seconds ->
    [one] The next one is possible in { $seconds } second.
   *[other] The next one is possible in { $seconds } seconds.
}
just-now = just now
# $count (Number)
minutes-ago = { $count ->
    [one] { $count } minute ago
   *[other] { $count } minutes ago
}
# $count (Number)
hours-ago = { $count ->
    [one] { $count } hour ago
   *[other] { $count } hours ago
}
# $count (Number)
days-ago = { $count ->
    [one] { $count } day ago
   *[other] { $count } days ago
}

## What somebody signed in with

method-password = password
method-code = one-time code
method-key = passkey or security key
method-passkey = passkey
method-federated = single sign-on
both = { $first } and { $second }
# $level (Number)
strength = { $methods } (level { $level } of 3)

kind-password = Password
kind-totp = Authenticator app
kind-recovery-code = Recovery code
kind-passkey = Passkey
kind-security-key = Security key

## Signing in

signin-title = Sign in to { $tenant }
signin = Sign in
signin-to = to <strong>{ $tenant }</strong>
# $href (Address)
signin-already = You are signed in already. <a href="{ $href }">Continue</a>, or sign in again below.
signin-providers = Identity providers
signin-with = Continue with { $provider }
signin-or-account = or with an account of { $tenant }
signin-email = E-mail address
signin-password = Password
signin-sso = Use single sign-on
signin-passkey = Sign in with a passkey
signin-forgotten = Forgot your password?
signin-remember = Keep me signed in on this device
signin-undiscovered = There is no single sign-on for this address. Sign in with your password, or choose a provider.

sso-title = Single sign-on
sso-sentence = { $provider } signs you in.
onward-by-yourself = If nothing happens, go on by yourself.
post-title = On to { $provider }
post-sentence = { $provider } takes it from here.

signout = Sign out
signout-elsewhere-title = You are signed out here
signout-elsewhere = { $provider } still has a session of yours: it ends there next.
signout-at = Sign out at { $provider }

## Links that were mailed, people who ask for an account, and what is agreed to

forgot-lead = We mail you a link with which you choose a new one for <strong>{ $tenant }</strong>.
forgot-send = Mail me a link
look-into-mail = Look into your mail
forgot-sent = If there is an account with this address, a link to set a new password is on its way. It works for half an hour.
signin-back = To the sign-in
password-new = New password
password-again = The same once more
# $count (Number)
password-rule = At least { $count } characters. Several words make a good one.
password-set = Set the password
password-for = Choose a password for { $email } at <strong>{ $tenant }</strong>.
reset-title = Set a new password
reset-done = Your password is set
reset-done-lead = You are signed out everywhere. Sign in with the new password.
invitation-title = Your invitation
invitation-done = Your account is ready
invitation-done-lead = Sign in with your address and the password that you chose.
register-title = Ask for an account
register-lead = at <strong>{ $tenant }</strong>. We mail you a link, and an administrator decides.
register-send = Ask
register-sent = Open the link that we mailed you: it shows that the address is yours. After that, an administrator decides.
register-verify = Is this your address?
register-verify-lead = { $email } wants an account at <strong>{ $tenant }</strong>.
register-verify-yes = Yes, ask for it
register-verified = Thank you
register-verified-lead = An administrator decides now. You get a mail with a link once you may come in.
wishes-title = Who wants an account
wishes-lead = at <strong>{ $tenant }</strong>. Roles that may be given: { $roles }.
wishes-none = Nobody waits.
wishes-roles = Roles for { $email }
wishes-invite = Invite { $email }
wishes-deny = Turn down
consent-title = Before you go on
consent-lead = <strong>{ $tenant }</strong> asks you to read and agree to this.
consent-terms = Terms of use, version { $version }
consent-privacy = Privacy notice, version { $version }
consent-agree = I have read it and agree

## Passkeys, as the browser's script says it

passkey-cancelled = It was cancelled, or it took too long. Please try again.
passkey-known = This device or key is added already.
passkey-unusable = This browser could not use a passkey here. Please try again.

## Confirming who one is

stepup-title = Confirm who you are
stepup-too-old = Your sign-in is too old for this. Confirm it, and you are taken back to where you were going.
# $level (Number)
# $current (Number)
stepup-too-weak = What you asked for needs a stronger sign-in: level { $level }, and yours has level { $current }.
stepup-passkey = Passkey or security key
stepup-code-app = Code from your authenticator app
stepup-code-recovery = One of your recovery codes
stepup-hint-app = Six digits. Without the app, one of your recovery codes does, once.
stepup-hint-recovery = Where your passkey or security key is not at hand. Each code counts once.
stepup-confirm = Confirm
stepup-confirm-password = Confirm by password
stepup-no-factor = Your account has no second factor yet. Add one now, and go on with it.
stepup-too-weak-factors = Nothing that your account has is strong enough for this. Whoever looks after your account can help.
stepup-signin-again = Sign in again
stepup-going-to = You were going to

## Adding factors

totp-add = Add an authenticator app
totp-lead = An app on your phone shows a new code every half minute. With it you confirm who you are to <strong>{ $tenant }</strong>.
totp-name = My phone
totp-why-password = So that nobody else adds their own phone to your account.
totp-scan = Scan this with your app
totp-picture = QR code of the key below
# $href (Address)
totp-by-hand = On this phone? <a href="{ $href }">Open your app with the key</a>. Or type it there yourself:
totp-first-code = The code that the app shows now
totp-finish = Add it
totp-secret = Whoever has this key can make your codes. Show it to nobody.

passkey-add = Add a passkey or security key
passkey-lead = It answers to <strong class="code">{ $host }</strong> alone: nobody can ask you for it elsewhere.
# $href (Address)
passkey-needs-script = This needs JavaScript, and a browser that knows passkeys. An <a href="{ $href }">authenticator app</a> needs neither.
passkey-name = My passkey
passkey-why-password = So that nobody else adds their own device to your account.
passkey-add-passkey = Add a passkey
passkey-about-passkey = On this device, your phone or a security key with a PIN. You sign in with it, without a password.
passkey-add-key = Add a security key
passkey-about-key = A key that you touch, beside your password.

codes-title = Recovery codes
codes-added = It is added
codes-same = Your recovery codes are the same as before.
codes-keep = Keep these recovery codes
codes-lead = If you lose your second factor, each of them confirms who you are, once. They are not shown again: print them, or keep them where you keep passwords.
codes-continue = Continue to where you were going
codes-new = New recovery codes
codes-new-lead = You get ten new codes, and the former ones count no more.
codes-show = Show me new codes

## One's own account

account = Account
account-title = Your account
account-factors = Second factors
account-no-factors = None yet. With one, a stolen password is not enough to act in your name.
account-change = Change<span class="unseen"> { $factor }</span>
account-added = added { $when }
account-used = used { $when }
# $count (Number)
account-codes-left = { $count ->
    [one] { $count } left
   *[other] { $count } left
}
# $count (Number)
account-codes-few = { $count ->
    [one] { $count } left: get new ones soon
   *[other] { $count } left: get new ones soon
}
account-new-codes = New codes
account-sessions = Where you are signed in
account-this-session = this one
account-from = From <span class="code">{ $address }</span>
account-began = signed in { $when }
account-end = End<span class="unseen"> the session of { $agent }, used { $when }</span>
account-end-others = Sign out everywhere else
account-back = Back to your account
account-agent = { $browser } on { $system }
account-agent-unknown = An unknown program

factor-added = { $kind }, added { $when }
factor-added-used = { $kind }, added { $added }, last used { $used }
factor-name = Its name
factor-rename = Rename
factor-remove = Remove it
factor-remove-lead = It confirms nothing any more, and you are signed out everywhere else. With the last one your recovery codes go, too.
factor-remove-named = Remove { $factor }

## The start page of a tenant

portal-you-links = You
portal-welcome = Welcome
portal-services = Services
portal-no-services = No service stands behind this gateway yet.
portal-policies = What you may do in each is decided by the policies of { $tenant }.
portal-you = You
portal-roles = Roles
portal-no-roles = none beyond membership
portal-signed-in-with = Signed in with
portal-signed-in = Signed in

## The bare host

directory-title = Tenants
directory-question = Where to?
directory-none = There are no tenants yet. Whoever runs this gateway creates one with <code class="code">cedargate tenant</code>.
directory-lead = Each tenant has an address of its own.

## What was kept while somebody confirmed who they are

kept-title = Send it now?
kept-lead = You wanted to send this to <span class="code">{ $path }</span>. Nothing was sent yet.
kept-nothing = The form has no fields.
kept-unseen = not shown
kept-send = Send it
kept-not = Do not send it

## When something is refused

# $minutes (Number)
refused-kept = { $minutes ->
    [one] What you sent was not passed on. It is kept here, sealed, for { $minutes } minute: confirm who you are, then look at it again and send it.
   *[other] What you sent was not passed on. It is kept here, sealed, for { $minutes } minutes: confirm who you are, then look at it again and send it.
}

refused-resend = What you sent was not passed on, and it is not kept here: this page of your browser still has it. Do this in a new tab, then load this page again, and it is sent once more.
refused-quote = If you ask somebody about this, quote these:
refused-decision = Decision

# By the walk. The English is what programs are told, too.

refusal-head-timeout = The request's head did not arrive in time.
refusal-request-unparsable = This is not a valid HTTP request.
refusal-connection-abused = This connection was used in a way that is not accepted.
refusal-framing-ambiguous = The request's framing is ambiguous.
refusal-host-invalid = The request names no host, or more than one.
refusal-header-invalid = A header of the request is malformed.
refusal-path-invalid = The request's path is malformed.
refusal-method-invalid = The request's method is not accepted.
refusal-upgrade-invalid = This upgrade is not accepted.
refusal-target-too-long = The request's address is too long.
refusal-head-too-large = The request's headers are too large.
refusal-misdirected-request = This connection was made for another host.
refusal-host-unknown = There is nothing at this address.
refusal-route-unknown = There is nothing at this address.
refusal-method-not-allowed = This address does not accept that method.
refusal-grpc-unexpected = This address and this kind of content do not go together.
refusal-grpc-needs-http2 = gRPC needs HTTP/2.
refusal-address-rate-limited = Too many requests. Please wait a moment.
refusal-cookie-ambiguous = The request carries more than one session cookie.
refusal-client-certificate-required = This address asks for a client certificate.
refusal-credentials-ambiguous = The request carries more than one credential.
refusal-credentials-invalid = These credentials are not valid.
refusal-session-store-unavailable = Sign-in state cannot be checked right now.
refusal-issuer-unavailable = Whoever vouches for you cannot be asked right now.
refusal-quota-exceeded = Too many requests. Please wait a moment.
refusal-cross-origin = This request came from another site.
refusal-attack-detected = This request looks like an attack and was stopped.
refusal-body-too-large = The request's body is too large.
refusal-body-encoding-unsupported = The body's encoding is not accepted.
refusal-body-unreadable = The request's body could not be read.
refusal-body-malformed = The request's body is malformed.
refusal-inspection-limit = This request is too elaborate to be accepted.
refusal-inspection-unavailable = The request cannot be inspected right now.
refusal-response-withheld = The service's answer was withheld.
refusal-signin-required = Please sign in.
refusal-step-up-required = Please confirm who you are.
refusal-forbidden = You are not permitted to do this.
refusal-decision-failed = The request could not be decided.
refusal-snapshot-missing = The request cannot be decided right now.
refusal-record-unavailable = The request cannot be recorded right now.
refusal-upstream-unavailable = The service is not available right now.
refusal-upstream-failed = The service did not answer properly.
refusal-upstream-timeout = The service did not answer in time.

# By the gateway's own pages.

refusal-identity-missing = This is answered only behind the gateway.
refusal-identity-invalid = The identity assertion is not accepted.
refusal-signin-failed = The e-mail address or the password is not right.
refusal-signin-delayed = Too many failed sign-ins. Please wait before the next one.
refusal-signin-busy = Many people are signing in right now. Please try again in a moment.
refusal-signin-malformed = Send `email` and `password`, once each.
refusal-content-type-unsupported = Send a form or `application/json`.
refusal-sso-failed = The sign-in by your identity provider could not be completed. Please try again.
refusal-provider-unavailable = The identity provider cannot be reached right now. Please try again in a moment.
refusal-logout-token-refused = The logout token is not accepted.
refusal-logout-request-refused = The request to sign out is not accepted.
refusal-request-malformed = The fields that were sent are not the ones that are asked for.
refusal-proof-failed = That is not right, or it was used before.
refusal-passkey-failed = That passkey or security key could not be used here. Please try again.
refusal-proof-delayed = Too many failed attempts. Please wait before the next one.
refusal-proof-too-weak = Your sign-in is stronger than that. Confirm it with what you signed in with.
refusal-factor-missing = Add a second factor first: recovery codes are for whoever loses one.
refusal-factor-unconfirmed = Confirm who you are: with your password, or by a new sign-in at your identity provider.
refusal-navigation-required = A sign-in begins when somebody opens this address, not when a page loads it.
refusal-factor-name-invalid = A name has 1 to 60 characters on one line.
refusal-factors-too-many = The account has as many factors as it may have. Remove one first.
refusal-post-gone = What you sent is not kept any more: it was sent, or too much time has passed.
refusal-controlplane-failed = This could not be done. It is our fault, and it has been noted.
refusal-link-refused = This link does nothing, or nothing any more. Ask for another one.
refusal-asking-delayed = This was asked too often. Please wait before the next time.
refusal-password-too-short = The password is too short. Several words make a good one.
refusal-password-too-long = The password is longer than 1024 octets.
refusal-password-uniform = The password is one character over and over.
refusal-password-breached = This password was stolen somewhere, and whoever guesses knows it. Choose another one.
refusal-password-own-address = The password has your e-mail address in it.
refusal-password-differs = The two passwords are not the same.
refusal-password-unchecked = It cannot be told right now whether this password is safe. Please try again in a moment.
refusal-puzzle-unsolved = Show first that you are no program, and send it again.
refusal-puzzle-unknown = It cannot be told right now whether you are a program. Please try again in a moment.
refusal-role-not-offered = People who ask for an account are not given such a role here.
refusal-account-known = There is an account with this address already.
refusal-consent-changed = What is to be agreed to has changed. Read it again.

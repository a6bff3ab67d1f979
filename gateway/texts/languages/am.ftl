# The Amharic texts.

## On every page

languages = ቋንቋ
start-page-of = የ{ $tenant } መነሻ ገጽ
back-to-start = ወደ መነሻ ገጽ ተመለስ
go-on = ቀጥል
cancel = ሰርዝ
done = ተጠናቋል
or = ወይም
your-password = የይለፍ ቃልዎ
name-question = ምን ብለው ይጠሩታል?
code = ኮድ
request = ጥያቄ
wait = { $seconds ->
    [one] ቀጣዩን ሙከራ ከ{ $seconds } ሰከንድ በኋላ ማድረግ ይችላሉ።
   *[other] ቀጣዩን ሙከራ ከ{ $seconds } ሰከንዶች በኋላ ማድረግ ይችላሉ።
}
just-now = አሁን
minutes-ago = { $count ->
    [one] ከ{ $count } ደቂቃ በፊት
   *[other] ከ{ $count } ደቂቃዎች በፊት
}
hours-ago = { $count ->
    [one] ከ{ $count } ሰዓት በፊት
   *[other] ከ{ $count } ሰዓታት በፊት
}
days-ago = { $count ->
    [one] ከ{ $count } ቀን በፊት
   *[other] ከ{ $count } ቀናት በፊት
}

## What somebody signed in with

method-password = የይለፍ ቃል
method-code = የአንድ ጊዜ ኮድ
method-key = የይለፍ ቁልፍ ወይም የደህንነት ቁልፍ
method-passkey = የይለፍ ቁልፍ
method-federated = ነጠላ መግቢያ
both = { $first } እና { $second }
strength = { $methods } (ደረጃ { $level } ከ3)

kind-password = የይለፍ ቃል
kind-totp = የማረጋገጫ መተግበሪያ
kind-recovery-code = የመልሶ ማግኛ ኮድ
kind-passkey = የይለፍ ቁልፍ
kind-security-key = የደህንነት ቁልፍ

## Signing in

signin-title = ወደ { $tenant } ይግቡ
signin = ይግቡ
signin-to = ወደ <strong>{ $tenant }</strong>
signin-already = አስቀድመው ገብተዋል። <a href="{ $href }">ይቀጥሉ</a>፣ ወይም ከታች እንደገና ይግቡ።
signin-providers = የማንነት አቅራቢዎች
signin-with = በ{ $provider } ቀጥል
signin-or-account = ወይም በ{ $tenant } መለያ
signin-email = የኢሜይል አድራሻ
signin-password = የይለፍ ቃል
signin-sso = ነጠላ መግቢያን ይጠቀሙ
signin-passkey = በይለፍ ቁልፍ ይግቡ
signin-forgotten = የይለፍ ቃልዎን ረሱ?
signin-remember = በዚህ መሣሪያ ላይ እንደገባሁ አቆየኝ
signin-undiscovered = ለዚህ አድራሻ ነጠላ መግቢያ የለም። በይለፍ ቃልዎ ይግቡ ወይም አቅራቢ ይምረጡ።

sso-title = ነጠላ መግቢያ
sso-sentence = { $provider } ያስገባዎታል።
onward-by-yourself = ምንም ካልተከሰተ እርስዎ ራስዎ ይቀጥሉ።
post-title = ወደ { $provider }
post-sentence = ከዚህ በኋላ ያለው የ{ $provider } ነው።

signout = ይውጡ
signout-elsewhere-title = ከዚህ ወጥተዋል
signout-elsewhere = በ{ $provider } ዘንድ ክፍለ ጊዜዎ ገና ክፍት ነው፤ ቀጥሎ እዚያም ይዘጋል።
signout-at = ከ{ $provider } ይውጡ

## Links that were mailed, people who ask for an account, and what is agreed to

forgot-lead = ለ<strong>{ $tenant }</strong> አዲስ የይለፍ ቃል የሚመርጡበት አገናኝ በኢሜይል እንልክልዎታለን።
forgot-send = አገናኝ ይላክልኝ
look-into-mail = ኢሜይልዎን ይመልከቱ
forgot-sent = በዚህ አድራሻ መለያ ካለ፣ አዲስ የይለፍ ቃል ለማዘጋጀት የሚያስችል አገናኝ እየተላከ ነው። ለግማሽ ሰዓት ይሠራል።
signin-back = ወደ መግቢያው
password-new = አዲስ የይለፍ ቃል
password-again = ያንኑ እንደገና
password-rule = ቢያንስ { $count } ፊደላት። ብዙ ቃላት ጥሩ የይለፍ ቃል ይሆናሉ።
password-set = የይለፍ ቃሉን ያዘጋጁ
password-for = በ<strong>{ $tenant }</strong> ለ{ $email } የይለፍ ቃል ይምረጡ።
reset-title = አዲስ የይለፍ ቃል ያዘጋጁ
reset-done = የይለፍ ቃልዎ ተዘጋጅቷል
reset-done-lead = ከሁሉም ቦታ ወጥተዋል። በአዲሱ የይለፍ ቃል ይግቡ።
invitation-title = ግብዣዎ
invitation-done = መለያዎ ዝግጁ ነው
invitation-done-lead = በአድራሻዎና በመረጡት የይለፍ ቃል ይግቡ።
register-title = መለያ ይጠይቁ
register-lead = በ<strong>{ $tenant }</strong>። አገናኝ በኢሜይል እንልክልዎታለን፤ አስተዳዳሪ ይወስናል።
register-send = ይጠይቁ
register-sent = የላክንልዎትን አገናኝ ይክፈቱ፤ አድራሻው የእርስዎ መሆኑን ያሳያል። ከዚያ በኋላ አስተዳዳሪ ይወስናል።
register-verify = ይህ አድራሻ የእርስዎ ነው?
register-verify-lead = { $email } በ<strong>{ $tenant }</strong> መለያ ይፈልጋል።
register-verify-yes = አዎ፣ ይጠየቅ
register-verified = እናመሰግናለን
register-verified-lead = አሁን አስተዳዳሪ ይወስናል። መግባት ሲፈቀድልዎ አገናኝ ያለው ኢሜይል ይደርስዎታል።
wishes-title = መለያ የሚፈልጉ
wishes-lead = በ<strong>{ $tenant }</strong>። ሊሰጡ የሚችሉ ሚናዎች፦ { $roles }።
wishes-none = ማንም አይጠብቅም።
wishes-roles = የ{ $email } ሚናዎች
wishes-invite = { $email }ን ይጋብዙ
wishes-deny = አይቀበሉ
consent-title = ከመቀጠልዎ በፊት
consent-lead = <strong>{ $tenant }</strong> ይህን አንብበው እንዲስማሙ ይጠይቅዎታል።
consent-terms = የአጠቃቀም ደንቦች፣ ቅጂ { $version }
consent-privacy = የግላዊነት ማስታወቂያ፣ ቅጂ { $version }
consent-agree = አንብቤ ተስማምቻለሁ

## Passkeys, as the browser's script says it

passkey-cancelled = ተሰርዟል ወይም በጣም ረጅም ጊዜ ወስዷል። እባክዎ እንደገና ይሞክሩ።
passkey-known = ይህ መሣሪያ ወይም ቁልፍ አስቀድሞ ታክሏል።
passkey-unusable = ይህ አሳሽ እዚህ የይለፍ ቁልፍ መጠቀም አልቻለም። እባክዎ እንደገና ይሞክሩ።

## Confirming who one is

stepup-title = ማንነትዎን ያረጋግጡ
stepup-too-old = ለዚህ ተግባር ከገቡ ብዙ ጊዜ አልፏል። ማንነትዎን ያረጋግጡ፤ ከዚያ ይሄዱበት ወደነበረው ይመለሳሉ።
stepup-too-weak = የጠየቁት ይበልጥ ጠንካራ መግቢያ ይፈልጋል፦ ደረጃ { $level }፤ የእርስዎ ግን ደረጃ { $current } ነው።
stepup-passkey = የይለፍ ቁልፍ ወይም የደህንነት ቁልፍ
stepup-code-app = ከማረጋገጫ መተግበሪያዎ የሚገኝ ኮድ
stepup-code-recovery = ከመልሶ ማግኛ ኮዶችዎ አንዱ
stepup-hint-app = ስድስት አኃዞች። መተግበሪያው ከሌለ ከመልሶ ማግኛ ኮዶችዎ አንዱ አንድ ጊዜ ያገለግላል።
stepup-hint-recovery = የይለፍ ቁልፍዎ ወይም የደህንነት ቁልፍዎ በእጅዎ ከሌለ። እያንዳንዱ ኮድ አንድ ጊዜ ብቻ ያገለግላል።
stepup-confirm = አረጋግጥ
stepup-confirm-password = በይለፍ ቃል አረጋግጥ
stepup-no-factor = መለያዎ እስካሁን ሁለተኛ ማረጋገጫ የለውም። አሁን አንድ ያክሉና በእሱ ይቀጥሉ።
stepup-too-weak-factors = መለያዎ ካሉት ማረጋገጫዎች ለዚህ በቂ ጥንካሬ ያለው የለም። የመለያዎ ኃላፊ ሊረዳዎ ይችላል።
stepup-signin-again = እንደገና ይግቡ
stepup-going-to = ይሄዱ የነበረው ወደዚህ ነው፦

## Adding factors

totp-add = የማረጋገጫ መተግበሪያ ያክሉ
totp-lead = በስልክዎ ላይ ያለ መተግበሪያ በየግማሽ ደቂቃው አዲስ ኮድ ያሳያል። በእሱ ማንነትዎን ለ<strong>{ $tenant }</strong> ያረጋግጣሉ።
totp-name = ስልኬ
totp-why-password = ሌላ ሰው የራሱን ስልክ ወደ መለያዎ እንዳያክል።
totp-scan = ይህን በመተግበሪያዎ ይቃኙ
totp-picture = ከታች ያለው ቁልፍ QR ኮድ
totp-by-hand = በዚሁ ስልክ ላይ ነዎት? <a href="{ $href }">መተግበሪያዎን በቁልፉ ይክፈቱ</a>። ወይም እርስዎ ራስዎ መተግበሪያው ውስጥ ይጻፉት፦
totp-first-code = መተግበሪያው አሁን የሚያሳየው ኮድ
totp-finish = አክል
totp-secret = ይህ ቁልፍ ያለው ማንኛውም ሰው ኮዶችዎን መሥራት ይችላል። ለማንም አያሳዩት።

passkey-add = የይለፍ ቁልፍ ወይም የደህንነት ቁልፍ ያክሉ
passkey-lead = ለ<strong class="code">{ $host }</strong> ብቻ ይመልሳል፦ ማንም በሌላ ቦታ ሊጠይቅዎ አይችልም።
passkey-needs-script = ይህ ጃቫስክሪፕት እና የይለፍ ቁልፎችን የሚያውቅ አሳሽ ይፈልጋል። <a href="{ $href }">የማረጋገጫ መተግበሪያ</a> ሁለቱንም አይፈልግም።
passkey-name = የይለፍ ቁልፌ
passkey-why-password = ሌላ ሰው የራሱን መሣሪያ ወደ መለያዎ እንዳያክል።
passkey-add-passkey = የይለፍ ቁልፍ ያክሉ
passkey-about-passkey = በዚህ መሣሪያ፣ በስልክዎ ወይም ፒን ባለው የደህንነት ቁልፍ ላይ። ያለ ይለፍ ቃል በእሱ ይገባሉ።
passkey-add-key = የደህንነት ቁልፍ ያክሉ
passkey-about-key = ከይለፍ ቃልዎ ጋር የሚነኩት ቁልፍ።

codes-title = የመልሶ ማግኛ ኮዶች
codes-added = ታክሏል
codes-same = የመልሶ ማግኛ ኮዶችዎ እንደ ቀድሞው ናቸው።
codes-keep = እነዚህን የመልሶ ማግኛ ኮዶች ያስቀምጡ
codes-lead = ሁለተኛ ማረጋገጫዎ ከጠፋ እያንዳንዳቸው አንድ ጊዜ ማንነትዎን ያረጋግጣሉ። ዳግም አይታዩም፦ ያትሟቸው ወይም የይለፍ ቃሎችዎን በሚያስቀምጡበት ያስቀምጧቸው።
codes-continue = ይሄዱበት ወደነበረው ይቀጥሉ
codes-new = አዲስ የመልሶ ማግኛ ኮዶች
codes-new-lead = አሥር አዲስ ኮዶች ያገኛሉ፤ የቀድሞዎቹ ከእንግዲህ አያገለግሉም።
codes-show = አዲስ ኮዶችን አሳየኝ

## One's own account

account = መለያ
account-title = መለያዎ
account-factors = ሁለተኛ ማረጋገጫዎች
account-no-factors = እስካሁን የለም። አንድ ካለዎት የተሰረቀ የይለፍ ቃል ብቻውን በእርስዎ ስም ለመሥራት አይበቃም።
account-change = ቀይር<span class="unseen"> { $factor }</span>
account-added = የታከለው { $when }
account-used = የተጠቀሙበት { $when }
account-codes-left = { $count ->
    [one] { $count } ኮድ ቀርቷል
   *[other] { $count } ኮዶች ቀርተዋል
}
account-codes-few = { $count ->
    [one] { $count } ኮድ ቀርቷል፦ በቅርቡ አዲስ ይውሰዱ
   *[other] { $count } ኮዶች ቀርተዋል፦ በቅርቡ አዲስ ይውሰዱ
}
account-new-codes = አዲስ ኮዶች
account-sessions = የገቡባቸው ቦታዎች
account-this-session = ይህኛው
account-from = ከ<span class="code">{ $address }</span>
account-began = የገቡት { $when }
account-end = አብቃ<span class="unseen"> የ{ $agent } ክፍለ ጊዜን፣ የተጠቀሙበት { $when }</span>
account-end-others = ከሌሎች ቦታዎች ሁሉ ይውጡ
account-back = ወደ መለያዎ ይመለሱ
account-agent = { $browser } በ{ $system } ላይ
account-agent-unknown = ያልታወቀ ፕሮግራም

factor-added = { $kind }፣ የታከለው { $when }
factor-added-used = { $kind }፣ የታከለው { $added }፣ መጨረሻ የተጠቀሙበት { $used }
factor-name = ስሙ
factor-rename = ስም ቀይር
factor-remove = አስወግደው
factor-remove-lead = ከእንግዲህ ምንም አያረጋግጥም፤ ከሌሎች ቦታዎች ሁሉም ይወጣሉ። የመጨረሻውን ሲያስወግዱ የመልሶ ማግኛ ኮዶችዎም ይጠፋሉ።
factor-remove-named = { $factor } አስወግድ

## The start page of a tenant

portal-you-links = እርስዎ
portal-welcome = እንኳን ደህና መጡ
portal-services = አገልግሎቶች
portal-no-services = ከዚህ መግቢያ በር በስተጀርባ እስካሁን አገልግሎት የለም።
portal-policies = በእያንዳንዱ ውስጥ ምን ማድረግ እንደሚችሉ የሚወስኑት የ{ $tenant } ፖሊሲዎች ናቸው።
portal-you = እርስዎ
portal-roles = ሚናዎች
portal-no-roles = ከአባልነት በቀር የለም
portal-signed-in-with = የገቡበት መንገድ
portal-signed-in = የገቡበት ጊዜ

## The bare host

directory-title = ድርጅቶች
directory-question = ወዴት?
directory-none = እስካሁን ድርጅት የለም። ይህን መግቢያ በር የሚያስተዳድረው ሰው በ<code class="code">cedargate tenant</code> አንድ ይፈጥራል።
directory-lead = እያንዳንዱ ድርጅት የራሱ አድራሻ አለው።

## What was kept while somebody confirmed who they are

kept-title = አሁን ይላክ?
kept-lead = ይህን ወደ <span class="code">{ $path }</span> ለመላክ ፈልገው ነበር። እስካሁን ምንም አልተላከም።
kept-nothing = ቅጹ ምንም መስክ የለውም።
kept-unseen = አይታይም
kept-send = ላክ
kept-not = አትላክ

## When something is refused

refused-kept = { $minutes ->
    [one] የላኩት አልተላለፈም። እዚህ ለ{ $minutes } ደቂቃ ታሽጎ ይቀመጣል፦ ማንነትዎን ያረጋግጡ፣ ከዚያ እንደገና አይተው ይላኩት።
   *[other] የላኩት አልተላለፈም። እዚህ ለ{ $minutes } ደቂቃዎች ታሽጎ ይቀመጣል፦ ማንነትዎን ያረጋግጡ፣ ከዚያ እንደገና አይተው ይላኩት።
}

refused-resend = የላኩት አልተላለፈም፣ እዚህም አልተቀመጠም፦ ይህ የአሳሽዎ ገጽ አሁንም አለው። ይህን በአዲስ ትር ያድርጉ፣ ከዚያ ይህን ገጽ እንደገና ይጫኑ፤ አንድ ጊዜ እንደገና ይላካል።
refused-quote = ስለዚህ ሰው ከጠየቁ እነዚህን ይጥቀሱ፦
refused-decision = ውሳኔ

refusal-head-timeout = የጥያቄው ራስጌ በጊዜው አልደረሰም።
refusal-request-unparsable = ይህ ትክክለኛ የHTTP ጥያቄ አይደለም።
refusal-connection-abused = ይህ ግንኙነት ተቀባይነት በሌለው መንገድ ጥቅም ላይ ውሏል።
refusal-framing-ambiguous = የጥያቄው አካል የት እንደሚያበቃ ግልጽ አይደለም።
refusal-host-invalid = ጥያቄው ምንም አስተናጋጅ አይጠቅስም ወይም ከአንድ በላይ ይጠቅሳል።
refusal-header-invalid = ከጥያቄው ራስጌዎች አንዱ የተበላሸ ነው።
refusal-path-invalid = የጥያቄው ዱካ የተበላሸ ነው።
refusal-method-invalid = የጥያቄው ዘዴ ተቀባይነት የለውም።
refusal-upgrade-invalid = ይህ የግንኙነት ማሻሻያ ተቀባይነት የለውም።
refusal-target-too-long = የጥያቄው አድራሻ በጣም ረጅም ነው።
refusal-head-too-large = የጥያቄው ራስጌዎች በጣም ትልቅ ናቸው።
refusal-misdirected-request = ይህ ግንኙነት ለሌላ አስተናጋጅ የተደረገ ነው።
refusal-host-unknown = በዚህ አድራሻ ምንም የለም።
refusal-route-unknown = በዚህ አድራሻ ምንም የለም።
refusal-method-not-allowed = ይህ አድራሻ ያንን ዘዴ አይቀበልም።
refusal-grpc-unexpected = ይህ አድራሻ እና ይህ የይዘት ዓይነት አይጣጣሙም።
refusal-grpc-needs-http2 = gRPC HTTP/2 ይፈልጋል።
refusal-address-rate-limited = ጥያቄዎች በጣም በዝተዋል። እባክዎ ትንሽ ይጠብቁ።
refusal-cookie-ambiguous = ጥያቄው ከአንድ በላይ የክፍለ ጊዜ ኩኪ ይዟል።
refusal-client-certificate-required = ይህ አድራሻ የደንበኛ የምስክር ወረቀት ይጠይቃል።
refusal-credentials-ambiguous = ጥያቄው ከአንድ በላይ የማንነት ማስረጃ ይዟል።
refusal-credentials-invalid = እነዚህ የማንነት ማስረጃዎች ትክክል አይደሉም።
refusal-session-store-unavailable = የመግቢያ ሁኔታን አሁን ማረጋገጥ አይቻልም።
refusal-issuer-unavailable = ማንነትዎን የሚያረጋግጠውን አካል አሁን መጠየቅ አይቻልም።
refusal-quota-exceeded = ጥያቄዎች በጣም በዝተዋል። እባክዎ ትንሽ ይጠብቁ።
refusal-cross-origin = ይህ ጥያቄ የመጣው ከሌላ ጣቢያ ነው።
refusal-attack-detected = ይህ ጥያቄ ጥቃት ስለሚመስል ታግዷል።
refusal-body-too-large = የጥያቄው አካል በጣም ትልቅ ነው።
refusal-body-encoding-unsupported = የጥያቄው አካል ኢንኮዲንግ ተቀባይነት የለውም።
refusal-body-unreadable = የጥያቄው አካል ሊነበብ አልቻለም።
refusal-body-malformed = የጥያቄው አካል የተበላሸ ነው።
refusal-inspection-limit = ይህ ጥያቄ ተቀባይነት ለማግኘት በጣም የተወሳሰበ ነው።
refusal-inspection-unavailable = ጥያቄውን አሁን መመርመር አይቻልም።
refusal-response-withheld = የአገልግሎቱ መልስ ታግዷል።
refusal-signin-required = እባክዎ ይግቡ።
refusal-step-up-required = እባክዎ ማንነትዎን ያረጋግጡ።
refusal-forbidden = ይህን ለማድረግ ፈቃድ የለዎትም።
refusal-decision-failed = ስለ ጥያቄው መወሰን አልተቻለም።
refusal-snapshot-missing = ስለ ጥያቄው አሁን መወሰን አይቻልም።
refusal-record-unavailable = ጥያቄውን አሁን መመዝገብ አይቻልም።
refusal-upstream-unavailable = አገልግሎቱ አሁን አይገኝም።
refusal-upstream-failed = አገልግሎቱ በትክክል አልመለሰም።
refusal-upstream-timeout = አገልግሎቱ በጊዜው አልመለሰም።

refusal-identity-missing = ይህ መልስ የሚሰጠው በመግቢያ በሩ በኩል ብቻ ነው።
refusal-identity-invalid = የማንነት ማረጋገጫው ተቀባይነት የለውም።
refusal-signin-failed = የኢሜይል አድራሻው ወይም የይለፍ ቃሉ ትክክል አይደለም።
refusal-signin-delayed = ያልተሳኩ የመግባት ሙከራዎች በዝተዋል። እባክዎ ከቀጣዩ በፊት ይጠብቁ።
refusal-signin-busy = አሁን ብዙ ሰዎች እየገቡ ነው። እባክዎ ከጥቂት ጊዜ በኋላ እንደገና ይሞክሩ።
refusal-signin-malformed = `email` እና `password` እያንዳንዳቸውን አንድ ጊዜ ይላኩ።
refusal-content-type-unsupported = ቅጽ ወይም `application/json` ይላኩ።
refusal-sso-failed = በማንነት አቅራቢዎ በኩል መግባቱ ሊጠናቀቅ አልቻለም። እባክዎ እንደገና ይሞክሩ።
refusal-provider-unavailable = የማንነት አቅራቢው አሁን አይገኝም። እባክዎ ከጥቂት ጊዜ በኋላ እንደገና ይሞክሩ።
refusal-logout-token-refused = የመውጫ ቶከኑ ተቀባይነት የለውም።
refusal-logout-request-refused = የመውጫ ጥያቄው ተቀባይነት የለውም።
refusal-request-malformed = የተላኩት መስኮች የተጠየቁት አይደሉም።
refusal-proof-failed = ትክክል አይደለም ወይም አስቀድሞ ጥቅም ላይ ውሏል።
refusal-passkey-failed = ያ የይለፍ ቁልፍ ወይም የደህንነት ቁልፍ እዚህ ሊያገለግል አልቻለም። እባክዎ እንደገና ይሞክሩ።
refusal-proof-delayed = ያልተሳኩ ሙከራዎች በዝተዋል። እባክዎ ከቀጣዩ በፊት ይጠብቁ።
refusal-proof-too-weak = የገቡበት መንገድ ከዚህ ይበልጥ ጠንካራ ነው። በገቡበት መንገድ ያረጋግጡ።
refusal-factor-missing = መጀመሪያ ሁለተኛ ማረጋገጫ ያክሉ፦ የመልሶ ማግኛ ኮዶች ማረጋገጫ ለጠፋበት ሰው ናቸው።
refusal-factor-unconfirmed = ማንነትዎን ያረጋግጡ፦ በይለፍ ቃልዎ ወይም በማንነት አቅራቢዎ እንደገና በመግባት።
refusal-navigation-required = መግባት የሚጀምረው ሰው ይህን አድራሻ ሲከፍት እንጂ ገጽ ሲጭነው አይደለም።
refusal-factor-name-invalid = ስም በአንድ መስመር ከ1 እስከ 60 ቁምፊዎች ሊኖሩት ይገባል።
refusal-factors-too-many = መለያው ሊኖሩት የሚችሉት ማረጋገጫዎች ሁሉ አሉት። መጀመሪያ አንዱን ያስወግዱ።
refusal-post-gone = የላኩት ከእንግዲህ አልተቀመጠም፦ ተልኳል ወይም ብዙ ጊዜ አልፏል።
refusal-controlplane-failed = ይህን ማድረግ አልተቻለም። ስህተቱ የእኛ ነው፣ ተመዝግቧል።
refusal-link-refused = ይህ አገናኝ አይሠራም፣ ወይም ከእንግዲህ አይሠራም። ሌላ ይጠይቁ።
refusal-asking-delayed = ይህ በጣም በተደጋጋሚ ተጠይቋል። እባክዎ ከሚቀጥለው በፊት ይጠብቁ።
refusal-password-too-short = የይለፍ ቃሉ በጣም አጭር ነው። ብዙ ቃላት ጥሩ የይለፍ ቃል ይሆናሉ።
refusal-password-too-long = የይለፍ ቃሉ ከ1024 ባይት ይረዝማል።
refusal-password-uniform = የይለፍ ቃሉ አንድ ፊደል ብቻ ደጋግሞ የያዘ ነው።
refusal-password-breached = ይህ የይለፍ ቃል በሌላ ቦታ ተሰርቋል፤ የሚገምቱ ሰዎች ያውቁታል። ሌላ ይምረጡ።
refusal-password-own-address = የይለፍ ቃሉ የኢሜይል አድራሻዎን ይዟል።
refusal-password-differs = ሁለቱ የይለፍ ቃላት አንድ አይደሉም።
refusal-password-unchecked = ይህ የይለፍ ቃል ደህንነቱ የተጠበቀ መሆኑን አሁን ማወቅ አይቻልም። እባክዎ ከጥቂት ጊዜ በኋላ እንደገና ይሞክሩ።
refusal-puzzle-unsolved = መጀመሪያ ፕሮግራም አለመሆንዎን ያሳዩ፣ ከዚያም እንደገና ይላኩ።
refusal-puzzle-unknown = ፕሮግራም መሆንዎን አሁን ማወቅ አይቻልም። እባክዎ ከጥቂት ጊዜ በኋላ እንደገና ይሞክሩ።
refusal-role-not-offered = መለያ ለሚጠይቁ ሰዎች እዚህ እንዲህ ያለ ሚና አይሰጥም።
refusal-account-known = በዚህ አድራሻ መለያ አስቀድሞ አለ።
refusal-consent-changed = የሚስማሙበት ነገር ተለውጧል። እንደገና ያንብቡት።

# The Persian texts. Written from right to left; numbers get Persian digits by themselves.

## On every page

languages = زبان
start-page-of = صفحهٔ آغاز { $tenant }
back-to-start = بازگشت به صفحهٔ آغاز
go-on = ادامه
cancel = انصراف
done = پایان
or = یا
your-password = گذرواژهٔ شما
name-question = آن را چه می‌نامید؟
code = کد
request = درخواست
wait = { $seconds ->
    [one] تلاش بعدی { $seconds } ثانیهٔ دیگر ممکن است.
   *[other] تلاش بعدی { $seconds } ثانیهٔ دیگر ممکن است.
}
just-now = همین حالا
minutes-ago = { $count ->
    [one] { $count } دقیقه پیش
   *[other] { $count } دقیقه پیش
}
hours-ago = { $count ->
    [one] { $count } ساعت پیش
   *[other] { $count } ساعت پیش
}
days-ago = { $count ->
    [one] { $count } روز پیش
   *[other] { $count } روز پیش
}

## What somebody signed in with

method-password = گذرواژه
method-code = کد یک‌بارمصرف
method-key = گذرکلید یا کلید امنیتی
method-passkey = گذرکلید
method-federated = ورود یکپارچه
both = { $first } و { $second }
strength = { $methods } (سطح { $level } از ۳)

kind-password = گذرواژه
kind-totp = برنامهٔ رمزساز
kind-recovery-code = کد بازیابی
kind-passkey = گذرکلید
kind-security-key = کلید امنیتی

## Signing in

signin-title = ورود به { $tenant }
signin = ورود
signin-to = به <strong>{ $tenant }</strong>
signin-already = شما از پیش وارد شده‌اید. <a href="{ $href }">ادامه دهید</a> یا در زیر دوباره وارد شوید.
signin-providers = ارائه‌دهندگان هویت
signin-with = ادامه با { $provider }
signin-or-account = یا با حسابی از { $tenant }
signin-email = نشانی ایمیل
signin-password = گذرواژه
signin-sso = استفاده از ورود یکپارچه
signin-passkey = ورود با گذرکلید
signin-forgotten = گذرواژه را فراموش کرده‌اید؟
signin-remember = مرا در این دستگاه وارد نگه دار
signin-undiscovered = برای این نشانی ورود یکپارچه‌ای وجود ندارد. با گذرواژهٔ خود وارد شوید یا یک ارائه‌دهنده را انتخاب کنید.

sso-title = ورود یکپارچه
sso-sentence = { $provider } شما را وارد می‌کند.
onward-by-yourself = اگر اتفاقی نیفتاد، خودتان ادامه دهید.
post-title = به سوی { $provider }
post-sentence = از این‌جا به بعد با { $provider } است.

signout = خروج
signout-elsewhere-title = در این‌جا خارج شدید
signout-elsewhere = هنوز نشستی از شما نزد { $provider } باز است؛ اکنون آن هم پایان می‌یابد.
signout-at = خروج از { $provider }

## Links that were mailed, people who ask for an account, and what is agreed to

forgot-lead = پیوندی برایتان می‌فرستیم که با آن گذرواژهٔ تازه‌ای برای <strong>{ $tenant }</strong> برمی‌گزینید.
forgot-send = پیوند را برایم بفرستید
look-into-mail = صندوق ایمیل خود را ببینید
forgot-sent = اگر حسابی با این نشانی باشد، پیوندی برای تعیین گذرواژهٔ تازه در راه است. نیم ساعت اعتبار دارد.
signin-back = به صفحهٔ ورود
password-new = گذرواژهٔ تازه
password-again = همان، یک بار دیگر
password-rule = دست‌کم { $count } نویسه. چند واژه گذرواژهٔ خوبی می‌سازد.
password-set = گذرواژه را تعیین کنید
password-for = برای { $email } در <strong>{ $tenant }</strong> گذرواژه‌ای برگزینید.
reset-title = تعیین گذرواژهٔ تازه
reset-done = گذرواژهٔ شما تعیین شد
reset-done-lead = از همه‌جا خارج شدید. با گذرواژهٔ تازه وارد شوید.
invitation-title = دعوت شما
invitation-done = حساب شما آماده است
invitation-done-lead = با نشانی خود و گذرواژه‌ای که برگزیدید وارد شوید.
register-title = درخواست حساب
register-lead = در <strong>{ $tenant }</strong>. پیوندی برایتان می‌فرستیم و مدیر تصمیم می‌گیرد.
register-send = درخواست
register-sent = پیوندی را که فرستادیم باز کنید: نشان می‌دهد که نشانی از آن شماست. سپس مدیر تصمیم می‌گیرد.
register-verify = این نشانی شماست؟
register-verify-lead = { $email } حسابی در <strong>{ $tenant }</strong> می‌خواهد.
register-verify-yes = بله، درخواست شود
register-verified = سپاسگزاریم
register-verified-lead = اکنون مدیر تصمیم می‌گیرد. وقتی اجازهٔ ورود یافتید، ایمیلی با یک پیوند می‌گیرید.
wishes-title = چه کسانی حساب می‌خواهند
wishes-lead = در <strong>{ $tenant }</strong>. نقش‌هایی که می‌توان داد: { $roles }.
wishes-none = کسی در انتظار نیست.
wishes-roles = نقش‌های { $email }
wishes-invite = دعوت از { $email }
wishes-deny = رد کردن
consent-title = پیش از ادامه
consent-lead = <strong>{ $tenant }</strong> از شما می‌خواهد این را بخوانید و بپذیرید.
consent-terms = شرایط استفاده، نسخهٔ { $version }
consent-privacy = اطلاعیهٔ حریم خصوصی، نسخهٔ { $version }
consent-agree = خوانده‌ام و می‌پذیرم

## Passkeys, as the browser's script says it

passkey-cancelled = لغو شد یا بیش از اندازه طول کشید. لطفاً دوباره تلاش کنید.
passkey-known = این دستگاه یا کلید از پیش افزوده شده است.
passkey-unusable = این مرورگر نتوانست در این‌جا از گذرکلید استفاده کند. لطفاً دوباره تلاش کنید.

## Confirming who one is

stepup-title = هویت خود را تأیید کنید
stepup-too-old = از ورود شما برای این کار زمان زیادی گذشته است. آن را تأیید کنید تا به جایی که می‌رفتید بازگردید.
stepup-too-weak = آنچه خواسته‌اید ورود قوی‌تری می‌خواهد: سطح { $level }؛ ورود شما در سطح { $current } است.
stepup-passkey = گذرکلید یا کلید امنیتی
stepup-code-app = کد برنامهٔ رمزساز شما
stepup-code-recovery = یکی از کدهای بازیابی شما
stepup-hint-app = شش رقم. اگر برنامه در دسترس نیست، یکی از کدهای بازیابی یک بار به کار می‌آید.
stepup-hint-recovery = برای وقتی که گذرکلید یا کلید امنیتی در دسترس نیست. هر کد یک بار به کار می‌آید.
stepup-confirm = تأیید
stepup-confirm-password = تأیید با گذرواژه
stepup-no-factor = حساب شما هنوز عامل دومی ندارد. اکنون یکی بیفزایید و با آن ادامه دهید.
stepup-too-weak-factors = هیچ‌یک از عامل‌های حساب شما برای این کار به اندازهٔ کافی قوی نیست. مسئول حساب شما می‌تواند کمک کند.
stepup-signin-again = دوباره وارد شوید
stepup-going-to = به این‌جا می‌رفتید:

## Adding factors

totp-add = افزودن برنامهٔ رمزساز
totp-lead = برنامه‌ای در تلفن شما هر نیم دقیقه کد تازه‌ای نشان می‌دهد. با آن هویت خود را برای <strong>{ $tenant }</strong> تأیید می‌کنید.
totp-name = تلفن من
totp-why-password = تا کس دیگری تلفن خود را به حساب شما نیفزاید.
totp-scan = این را با برنامهٔ خود اسکن کنید
totp-picture = کد QR کلید زیر
totp-by-hand = روی همین تلفن هستید؟ <a href="{ $href }">برنامهٔ خود را با این کلید باز کنید</a>. یا خودتان آن را در برنامه بنویسید:
totp-first-code = کدی که برنامه اکنون نشان می‌دهد
totp-finish = افزودن
totp-secret = هر کس این کلید را داشته باشد می‌تواند کدهای شما را بسازد. آن را به هیچ‌کس نشان ندهید.

passkey-add = افزودن گذرکلید یا کلید امنیتی
passkey-lead = فقط به <strong class="code">{ $host }</strong> پاسخ می‌دهد: کسی نمی‌تواند جای دیگری آن را از شما بخواهد.
passkey-needs-script = این کار به جاوااسکریپت و مرورگری نیاز دارد که گذرکلید را بشناسد. <a href="{ $href }">برنامهٔ رمزساز</a> به هیچ‌کدام نیاز ندارد.
passkey-name = گذرکلید من
passkey-why-password = تا کس دیگری دستگاه خود را به حساب شما نیفزاید.
passkey-add-passkey = افزودن گذرکلید
passkey-about-passkey = در این دستگاه، در تلفن شما یا در کلید امنیتی دارای PIN. با آن بدون گذرواژه وارد می‌شوید.
passkey-add-key = افزودن کلید امنیتی
passkey-about-key = کلیدی که در کنار گذرواژه لمس می‌کنید.

codes-title = کدهای بازیابی
codes-added = افزوده شد
codes-same = کدهای بازیابی شما همان‌های پیشین است.
codes-keep = این کدهای بازیابی را نگه دارید
codes-lead = اگر عامل دوم خود را از دست بدهید، هر یک از این کدها یک بار هویت شما را تأیید می‌کند. دیگر نشان داده نمی‌شوند: چاپشان کنید یا جایی نگه دارید که گذرواژه‌هایتان را نگه می‌دارید.
codes-continue = ادامه به جایی که می‌رفتید
codes-new = کدهای بازیابی تازه
codes-new-lead = ده کد تازه می‌گیرید و کدهای پیشین دیگر اعتبار ندارند.
codes-show = کدهای تازه را نشان بده

## One's own account

account = حساب
account-title = حساب شما
account-factors = عامل‌های دوم
account-no-factors = هنوز هیچ. با داشتن یکی، گذرواژهٔ دزدیده‌شده برای کار کردن به نام شما کافی نیست.
account-change = تغییر<span class="unseen"> { $factor }</span>
account-added = افزوده‌شده { $when }
account-used = آخرین استفاده { $when }
account-codes-left = { $count ->
    [one] { $count } کد مانده
   *[other] { $count } کد مانده
}
account-codes-few = { $count ->
    [one] { $count } کد مانده: زودتر کدهای تازه بگیرید
   *[other] { $count } کد مانده: زودتر کدهای تازه بگیرید
}
account-new-codes = کدهای تازه
account-sessions = جاهایی که وارد شده‌اید
account-this-session = همین‌جا
account-from = از <span class="code">{ $address }</span>
account-began = ورود { $when }
account-end = پایان دادن<span class="unseen"> به نشست { $agent }، آخرین استفاده { $when }</span>
account-end-others = خروج از همه‌جای دیگر
account-back = بازگشت به حساب شما
account-agent = { $browser } در { $system }
account-agent-unknown = برنامهٔ ناشناخته

factor-added = { $kind }، افزوده‌شده { $when }
factor-added-used = { $kind }، افزوده‌شده { $added }، آخرین استفاده { $used }
factor-name = نام آن
factor-rename = تغییر نام
factor-remove = برداشتن آن
factor-remove-lead = دیگر چیزی را تأیید نمی‌کند و از همه‌جای دیگر خارج می‌شوید. با برداشتن آخرین عامل، کدهای بازیابی شما نیز از میان می‌روند.
factor-remove-named = برداشتن { $factor }

## The start page of a tenant

portal-you-links = شما
portal-welcome = خوش آمدید
portal-services = سرویس‌ها
portal-no-services = هنوز هیچ سرویسی پشت این دروازه نیست.
portal-policies = این‌که در هر یک چه می‌توانید بکنید با سیاست‌های { $tenant } است.
portal-you = شما
portal-roles = نقش‌ها
portal-no-roles = هیچ نقشی جز عضویت
portal-signed-in-with = وارد شده با
portal-signed-in = زمان ورود

## The bare host

directory-title = سازمان‌ها
directory-question = به کجا؟
directory-none = هنوز هیچ سازمانی نیست. گردانندهٔ این دروازه با <code class="code">cedargate tenant</code> سازمان می‌سازد.
directory-lead = هر سازمان نشانی خودش را دارد.

## What was kept while somebody confirmed who they are

kept-title = اکنون فرستاده شود؟
kept-lead = می‌خواستید این را به <span class="code">{ $path }</span> بفرستید. هنوز چیزی فرستاده نشده است.
kept-nothing = این فرم هیچ فیلدی ندارد.
kept-unseen = نشان داده نمی‌شود
kept-send = بفرست
kept-not = نفرست

## When something is refused

refused-kept = { $minutes ->
    [one] آنچه فرستادید به مقصد نرسید. { $minutes } دقیقه این‌جا مهروموم نگه داشته می‌شود: هویت خود را تأیید کنید، سپس دوباره آن را ببینید و بفرستید.
   *[other] آنچه فرستادید به مقصد نرسید. { $minutes } دقیقه این‌جا مهروموم نگه داشته می‌شود: هویت خود را تأیید کنید، سپس دوباره آن را ببینید و بفرستید.
}

refused-resend = آنچه فرستادید به مقصد نرسید و این‌جا نگه داشته نشده است: همین صفحهٔ مرورگر هنوز آن را دارد. این کار را در زبانهٔ تازه‌ای انجام دهید، سپس این صفحه را دوباره بارگیری کنید تا یک بار دیگر فرستاده شود.
refused-quote = اگر در این باره از کسی می‌پرسید، این‌ها را بگویید:
refused-decision = تصمیم

refusal-head-timeout = سرآیند درخواست به‌موقع نرسید.
refusal-request-unparsable = این یک درخواست HTTP معتبر نیست.
refusal-connection-abused = از این اتصال به شکلی استفاده شد که پذیرفته نیست.
refusal-framing-ambiguous = مرزبندی درخواست مبهم است.
refusal-host-invalid = درخواست هیچ میزبانی را نام نمی‌برد یا بیش از یکی را نام می‌برد.
refusal-header-invalid = یکی از سرآیندهای درخواست نادرست است.
refusal-path-invalid = مسیر درخواست نادرست است.
refusal-method-invalid = متد درخواست پذیرفته نیست.
refusal-upgrade-invalid = این ارتقای اتصال پذیرفته نیست.
refusal-target-too-long = نشانی درخواست بیش از اندازه بلند است.
refusal-head-too-large = سرآیندهای درخواست بیش از اندازه بزرگ‌اند.
refusal-misdirected-request = این اتصال برای میزبان دیگری ساخته شده است.
refusal-host-unknown = در این نشانی چیزی نیست.
refusal-route-unknown = در این نشانی چیزی نیست.
refusal-method-not-allowed = این نشانی آن متد را نمی‌پذیرد.
refusal-grpc-unexpected = این نشانی و این نوع محتوا با هم جور نیستند.
refusal-grpc-needs-http2 = برای gRPC، HTTP/2 لازم است.
refusal-address-rate-limited = شمار درخواست‌ها بیش از اندازه است. لطفاً کمی صبر کنید.
refusal-cookie-ambiguous = درخواست بیش از یک کوکی نشست دارد.
refusal-client-certificate-required = این نشانی گواهی کارخواه می‌خواهد.
refusal-credentials-ambiguous = درخواست بیش از یک اعتبارنامه دارد.
refusal-credentials-invalid = این اعتبارنامه معتبر نیست.
refusal-session-store-unavailable = اکنون نمی‌توان وضعیت ورود را بررسی کرد.
refusal-issuer-unavailable = از آن که هویت شما را گواهی می‌کند اکنون نمی‌توان پرسید.
refusal-quota-exceeded = شمار درخواست‌ها بیش از اندازه است. لطفاً کمی صبر کنید.
refusal-cross-origin = این درخواست از سایت دیگری آمده است.
refusal-attack-detected = این درخواست به حمله می‌ماند و متوقف شد.
refusal-body-too-large = بدنهٔ درخواست بیش از اندازه بزرگ است.
refusal-body-encoding-unsupported = کدگذاری بدنهٔ درخواست پذیرفته نیست.
refusal-body-unreadable = بدنهٔ درخواست خوانده نشد.
refusal-body-malformed = بدنهٔ درخواست نادرست است.
refusal-inspection-limit = این درخواست پیچیده‌تر از آن است که پذیرفته شود.
refusal-inspection-unavailable = اکنون نمی‌توان این درخواست را بازرسی کرد.
refusal-response-withheld = پاسخ سرویس نگه داشته شد و فرستاده نمی‌شود.
refusal-signin-required = لطفاً وارد شوید.
refusal-step-up-required = لطفاً هویت خود را تأیید کنید.
refusal-forbidden = شما اجازهٔ این کار را ندارید.
refusal-decision-failed = دربارهٔ این درخواست نمی‌توان تصمیم گرفت.
refusal-snapshot-missing = اکنون دربارهٔ این درخواست نمی‌توان تصمیم گرفت.
refusal-record-unavailable = اکنون نمی‌توان این درخواست را ثبت کرد.
refusal-upstream-unavailable = این سرویس اکنون در دسترس نیست.
refusal-upstream-failed = این سرویس پاسخ درستی نداد.
refusal-upstream-timeout = این سرویس به‌موقع پاسخ نداد.

refusal-identity-missing = پاسخ این نشانی تنها از پشت دروازه داده می‌شود.
refusal-identity-invalid = گواهی هویت پذیرفته نیست.
refusal-signin-failed = نشانی ایمیل یا گذرواژه درست نیست.
refusal-signin-delayed = شمار ورودهای ناموفق بیش از اندازه است. لطفاً پیش از تلاش بعدی صبر کنید.
refusal-signin-busy = اکنون افراد زیادی در حال ورودند. لطفاً کمی بعد دوباره تلاش کنید.
refusal-signin-malformed = `email` و `password` را هر کدام یک بار بفرستید.
refusal-content-type-unsupported = یک فرم یا `application/json` بفرستید.
refusal-sso-failed = ورود از راه ارائه‌دهندهٔ هویت شما به پایان نرسید. لطفاً دوباره تلاش کنید.
refusal-provider-unavailable = ارائه‌دهندهٔ هویت اکنون در دسترس نیست. لطفاً کمی بعد دوباره تلاش کنید.
refusal-logout-token-refused = توکن خروج پذیرفته نیست.
refusal-logout-request-refused = درخواست خروج پذیرفته نیست.
refusal-request-malformed = فیلدهای فرستاده‌شده همان‌هایی نیستند که خواسته شده‌اند.
refusal-proof-failed = درست نیست یا پیش‌تر استفاده شده است.
refusal-passkey-failed = آن گذرکلید یا کلید امنیتی در این‌جا به کار نیامد. لطفاً دوباره تلاش کنید.
refusal-proof-delayed = شمار تلاش‌های ناموفق بیش از اندازه است. لطفاً پیش از تلاش بعدی صبر کنید.
refusal-proof-too-weak = ورود شما قوی‌تر از آن است. آن را با همان چیزی تأیید کنید که با آن وارد شده‌اید.
refusal-factor-missing = نخست یک عامل دوم بیفزایید: کدهای بازیابی برای کسی است که عاملی را از دست بدهد.
refusal-factor-unconfirmed = هویت خود را تأیید کنید: با گذرواژه یا با ورود دوباره نزد ارائه‌دهندهٔ هویت.
refusal-navigation-required = ورود هنگامی آغاز می‌شود که کسی این نشانی را باز کند، نه هنگامی که صفحه‌ای آن را بارگیری کند.
refusal-factor-name-invalid = نام باید ۱ تا ۶۰ نویسه در یک سطر باشد.
refusal-factors-too-many = حساب به همان شماری عامل دارد که می‌تواند داشته باشد. نخست یکی را بردارید.
refusal-post-gone = آنچه فرستادید دیگر نگه داشته نشده است: یا فرستاده شده یا زمان زیادی گذشته است.
refusal-controlplane-failed = این کار انجام نشد. تقصیر ماست و ثبت شده است.
refusal-link-refused = این پیوند کاری نمی‌کند، یا دیگر کاری نمی‌کند. پیوند دیگری بخواهید.
refusal-asking-delayed = این بیش از اندازه خواسته شد. لطفاً پیش از بار دیگر صبر کنید.
refusal-password-too-short = گذرواژه کوتاه است. چند واژه گذرواژهٔ خوبی می‌سازد.
refusal-password-too-long = گذرواژه از ۱۰۲۴ بایت بلندتر است.
refusal-password-uniform = گذرواژه تنها یک نویسهٔ تکراری است.
refusal-password-breached = این گذرواژه جایی دزدیده شده است و هر که حدس می‌زند آن را می‌داند. گذرواژهٔ دیگری برگزینید.
refusal-password-own-address = نشانی ایمیل شما در گذرواژه است.
refusal-password-differs = دو گذرواژه یکی نیستند.
refusal-password-unchecked = اکنون نمی‌توان گفت که این گذرواژه امن است یا نه. لطفاً کمی بعد دوباره بکوشید.
refusal-puzzle-unsolved = نخست نشان دهید که برنامه نیستید و دوباره بفرستید.
refusal-puzzle-unknown = اکنون نمی‌توان گفت که شما برنامه‌اید یا نه. لطفاً کمی بعد دوباره بکوشید.
refusal-role-not-offered = در این‌جا چنین نقشی به کسانی که حساب می‌خواهند داده نمی‌شود.
refusal-account-known = حسابی با این نشانی از پیش هست.
refusal-consent-changed = آنچه باید بپذیرید تغییر کرده است. دوباره بخوانید.

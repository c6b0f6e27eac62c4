"""All settings, top to bottom; whatever differs between two installations is in the environment.

The names are listed with their meaning in `.env.example`. Defaults are those of production:
nothing here needs to be switched on to be safe.
"""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.3.0"

env = environ.Env()
if env.bool("SMARTBANK_READ_DOTENV", default=True):
    env.read_env(BASE_DIR / ".env")  # what is already in the environment wins

# --- The process ------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", cast=str.strip, default=["localhost", "127.0.0.1"] if DEBUG else []
)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", cast=str.strip, default=[])

ROOT_URLCONF = "smartbank.urls"
WSGI_APPLICATION = "smartbank.wsgi.application"
APPEND_SLASH = False  # the API's paths have no trailing slash, and none is guessed

INSTALLED_APPS = [
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "office",
    "transfers",
    "accounts",
    "audit",
    "smartbank.apps.SmartBankAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "smartbank.apps.SmartBankConfig",
]

MIDDLEWARE = [
    "smartbank.middleware.RequestIdMiddleware",
    "smartbank.middleware.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "smartbank.middleware.ProblemMiddleware",  # inside, so that its refusals carry the headers
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "smartbank.middleware.PageLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "smartbank.middleware.TimeoutMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "smartbank.middleware.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- The bank ---------------------------------------------------------------------------------

BANK_NAME = env("BANK_NAME", default="SmartBank")
BANK_TIME_ZONE = env("BANK_TIME_ZONE", default="Asia/Kolkata")
DEFAULT_CURRENCY = env("DEFAULT_CURRENCY", default="INR")
BANK_CONTACT = env("BANK_CONTACT", default="come to any branch")
API_TOKEN_DAYS = env.int("API_TOKEN_DAYS", default=30)
SIGN_IN_FAILURES = env.int("SIGN_IN_FAILURES", default=20)
SIGN_IN_FAILURES_PER_ADDRESS = env.int("SIGN_IN_FAILURES_PER_ADDRESS", default=200)
SIGN_IN_WINDOW_SECONDS = env.int("SIGN_IN_WINDOW_SECONDS", default=900)
TOKENS_PER_HOUR = env.int("TOKENS_PER_HOUR", default=1000)
WEBHOOK_PRIVATE_HOSTS = env.list(
    "WEBHOOK_PRIVATE_HOSTS", cast=str.strip, default=["localhost"] if DEBUG else []
)
WEBHOOKS_KEPT_DAYS = env.int("WEBHOOKS_KEPT_DAYS", default=30)
REPLAYS_PER_HOUR = env.int("REPLAYS_PER_HOUR", default=60)
RECOVERY_MAILS_PER_HOUR = env.int("RECOVERY_MAILS_PER_HOUR", default=10)
RECOVERY_MAILS_PER_MAILBOX = env.int("RECOVERY_MAILS_PER_MAILBOX", default=3)
NAME_CHECKS_PER_DAY = env.int("NAME_CHECKS_PER_DAY", default=300)
QUOTES_PER_MINUTE = env.int("QUOTES_PER_MINUTE", default=100)
REQUESTS_PER_MINUTE = env.int("REQUESTS_PER_MINUTE", default=30_000)
# Staff need a code besides their password, everywhere but in development and the demo.
STAFF_SECOND_FACTOR = env.bool("STAFF_SECOND_FACTOR", default=not DEBUG)
OTP_TOTP_ISSUER = BANK_NAME
# What one person asks for and another must approve; cash only above the threshold (major units).
APPROVAL_THRESHOLD = env.int("APPROVAL_THRESHOLD", default=50_000)
APPROVAL_HOURS = env.int("APPROVAL_HOURS", default=72)
AUDIT_KEYS = env.list("AUDIT_KEYS", cast=str.strip, default=[])
AUDIT_SIGNING_KEY = env("AUDIT_SIGNING_KEY", default="")
AUDIT_OLD_PUBLIC_KEYS = env.list("AUDIT_OLD_PUBLIC_KEYS", cast=str.strip, default=[])
AUDIT_SEALS_FILE = env("AUDIT_SEALS_FILE", default="")

# --- The database -----------------------------------------------------------------------------

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR}/var/demo.sqlite3")}
DATABASE = DATABASES["default"]
DATABASE["ATOMIC_REQUESTS"] = False  # operations open, retry and commit their own transactions
DATABASE["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=120)
DATABASE["CONN_HEALTH_CHECKS"] = True  # a restarted database costs no request
DATABASE.setdefault("OPTIONS", {})
if DATABASE["ENGINE"] == "django.db.backends.mysql":
    # For requests wsgi.py sets 15: only a migration or a report may need longer.
    _seconds = env.int("DATABASE_READ_SECONDS", default=4 * 3600)
    DATABASE["ENGINE"] = "smartbank.mysql"  # Django's, and fewer ways to the server
    DATABASE["OPTIONS"] |= {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        # Every wait has an end, in seconds; reading outlasts a lock wait, which outlasts a commit.
        "connect_timeout": 3,
        "read_timeout": _seconds + 1,  # the server gives up first, and says why
        "write_timeout": 15,
        # The server bounds what it does for us too: a statement whose answer nobody awaits any
        # more, a wait for a table that is being altered, and, if we froze or lost our power, how
        # long our locks outlive us. The first comment is SQL to MariaDB only, the second to MySQL.
        "init_command": "SET sql_mode='STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,"
        "NO_ENGINE_SUBSTITUTION', time_zone='+00:00', "
        f"innodb_lock_wait_timeout=5, lock_wait_timeout={_seconds}"
        f"/*M! , max_statement_time={_seconds}, idle_transaction_timeout={_seconds} */"
        f"/*!80000 , max_execution_time={_seconds * 1000}, wait_timeout={_seconds} */",
    }
    DATABASE["TEST"] = {"CHARSET": "utf8mb4"}
else:
    DATABASE["OPTIONS"] |= {
        # SQLite has no row locks: taking the one write lock at BEGIN stands in for them.
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,  # as long as a row lock is waited for elsewhere
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
        "PRAGMA recursive_triggers=ON;",  # or REPLACE would pass the append-only triggers
    }
    DATABASE["TEST"] = {"NAME": f"{DATABASE['NAME']}.test"}  # a file: threads share it
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Who is calling ---------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["accounts.sign_in.RolesAlone"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.tokens.BearerAuthentication",  # first: a token beats a session cookie
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.tokens.HasScope",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttles.Pace"],
    "DEFAULT_PARSER_CLASSES": ["smartbank.strict_json.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["smartbank.strict_json.OneWayJSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "smartbank.strict_json.JSONNegotiation",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "smartbank.openapi.Documented",
    "EXCEPTION_HANDLER": "smartbank.problems.handle_exception",
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "SmartBank",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": ["smartbank.openapi.complete"],
    "GET_MOCK_REQUEST": "smartbank.openapi.no_request",
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # a test is stricter
}

# --- E-mail to customers ----------------------------------------------------------------------

# Without an address of a mail server nothing is sent; the demo prints its mails.
globals().update(env.email_url("EMAIL_URL", default="consolemail://" if DEBUG else "dummymail://"))
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env("MAIL_FROM", default="no-reply@localhost")
MAIL_NOTICES = env.bool("MAIL_NOTICES", default=bool(env("EMAIL_URL", default="")))

# --- Browsers ---------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [
    r"^healthz$",
    r"^readyz$",
]  # load balancers ask over plain HTTP
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEBUG else 365 * 24 * 3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# The name that Django 6 reads: drop our middleware's line when we move there.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}

_over_tls = not DEBUG and SECURE_SSL_REDIRECT
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _over_tls
# A __Host- cookie is one that no other host, path or plain connection can plant.
SESSION_COOKIE_NAME = "__Host-sessionid" if _over_tls else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if _over_tls else "csrftoken"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True  # the page's script reads the token from the form
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "accounts.sessions"
SESSION_SECONDS = env.int("SESSION_SECONDS", default=12 * 3600)
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_SECONDS", default=15 * 60)
SESSION_COOKIE_AGE = SESSION_SECONDS
PASSWORD_RESET_TIMEOUT = 3600
CSRF_FAILURE_VIEW = "smartbank.problems.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

MAX_BODY_BYTES = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
BODY_BYTES = {"/transfers/bulk": 4 * 1024 * 1024}  # paths that take more

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEBUG
_static_storage = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if DEBUG
    else "whitenoise.storage.CompressedManifestStaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static_storage},
}

# --- Language, time, logs ---------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("hi", "हिन्दी")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = _over_tls
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_TZ = True
TIME_ZONE = BANK_TIME_ZONE  # what people read; the database and the API speak UTC

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "smartbank.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Refused requests are in our own line per request; what breaks deserves its own.
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "ERROR"},
    },
}

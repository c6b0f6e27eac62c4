"""Who may do what: every route of the site, every method it answers, every kind of caller.

A cell is the status of the answer. `login` is a redirect to the sign-in page, `office` one to the
back office. What has no row is refused: 405, or what meets the caller at the door before that. A
HEAD is answered as its GET. Over a column stand the first three letters of its caller:

    stranger   has no credentials            owner      Reena, whose account and payment it is
    inactive   was the owner, deactivated    receiver   Rahul, to whom she paid
    expired    has the owner's old token     other      Anita, who has no part in it
    revoked    has one that was revoked      clerk      staff to whom no role was given

The rest are staff in their roles; `admin` is an administrator. An object in a path is the owner's.
"""

CALLERS = [
    *("stranger", "inactive", "expired", "revoked", "owner", "receiver", "other"),
    *("clerk", "teller", "manager", "auditor", "admin", "outsider"),
]

# --- The API, with a token. With a session it answers the same ----------------------------------

API = """
route                    method  str ina exp rev  own rec oth  cle tel man aud adm

/auth/token              POST    401 401 200 200  200 200 200  200 200 200 200 200  # own password
/auth/token              DELETE  401 401 401 401  204 204 204  204 204 204 204 204  # own token
/auth/token/rotation     POST    401 401 401 401  200 200 200  200 200 200 200 200  # own token
/me                      GET     401 401 401 401  200 200 200  200 200 200 200 200
/customers/<id>/accounts GET     401 401 401 401  200 404 404  404 200 200 200 404
/accounts/<id>           GET     401 401 401 401  200 404 404  404 200 200 200 404
/accounts/<id>/limits    GET     401 401 401 401  200 404 404  404 200 200 200 404
/accounts/<id>/entries   GET     401 401 401 401  200 404 404  404 200 200 200 404
/accounts/<id>/statement GET     401 401 401 401  200 404 404  404 200 200 200 404
/transfers               GET     401 401 401 401  200 200 200  200 200 200 200 200  # their own
/transfers               POST    401 401 401 401  201 404 404  403 403 403 403 403  # owner's money
/transfers/bulk          POST    401 401 401 401  200 200 200  403 403 403 403 403  # owner's money
/transfers/quote         POST    401 401 401 401  200 200 200  403 403 403 403 403  # owner's money
/transfers/<id>          GET     401 401 401 401  200 200 404  404 200 200 200 404
/transfers/<id>/receipt  POST    401 401 401 401  403 200 404  404 403 403 403 404
/webhooks                GET     401 401 401 401  200 200 200  403 403 403 403 403  # their own
/webhooks                POST    401 401 401 401  201 201 201  403 403 403 403 403
/webhooks/<id>           GET     401 401 401 401  200 404 404  404 404 404 404 404
/webhooks/<id>           DELETE  401 401 401 401  204 404 404  404 404 404 404 404
/webhooks/<id>/secret    POST    401 401 401 401  200 404 404  404 404 404 404 404
/webhooks/<id>/replay    POST    401 401 401 401  200 404 404  404 404 404 404 404
/webhooks/<id>/deliveries GET    401 401 401 401  200 404 404  404 404 404 404 404
/transfers/<id>/proof    GET     401 401 401 401  200 200 404  404 200 200 200 404
/audit/key               GET     200 200 200 200  200 200 200  200 200 200 200 200
/schema                  GET     200 200 200 200  200 200 200  200 200 200 200 200
/healthz                 GET     200 200 200 200  200 200 200  200 200 200 200 200
/readyz                  GET     200 200 200 200  200 200 200  200 200 200 200 200
/*                       every   404 404 404 404  404 404 404  404 404 404 404 404
"""

# --- The pages of customers, with a session -----------------------------------------------------

PAGES = """
route                    method   str   ina    own rec oth  cle    tel    man    aud    adm

/                        GET      login login  200 200 200  office office office office office
/send                    GET      login login  200 200 200  office office office office office
/send                    POST     login login  303 404 404  office office office office office
/send/check              GET      login login  302 302 302  office office office office office
/send/check              POST     login login  303 404 404  office office office office office
/history/<id>            GET      login login  200 404 404  office office office office office
/history/<id>/statement  GET      login login  200 404 404  office office office office office
/history/<id>/statement.csv GET   login login  200 404 404  office office office office office
/history/<id>/statement.pdf GET   login login  200 404 404  office office office office office
/payments/<id>/receipt.pdf  GET   login login  200 200 404  office office office office office
/payees                  GET      login login  200 200 200  office office office office office
/payees/<id>/forget      GET      login login  302 302 302  office office office office office
/payees/<id>/forget      POST     login login  302 404 404  office office office office office
/limits                  GET      login login  200 200 200  office office office office office
/limits/<id>             GET      login login  200 404 404  office office office office office
/limits/<id>             POST     login login  302 404 404  office office office office office
/security                GET      login login  200 200 200  office office office office office
/security/password       GET      login login  200 200 200  office office office office office
/security/password       POST     login login  400 400 400  office office office office office
/security/sessions/end   GET,POST login login  302 302 302  office office office office office
/security/sessions/<id>/end GET   login login  302 302 302  office office office office office
/security/sessions/<id>/end POST  login login  404 404 404  office office office office office
/security/tokens/<id>/revoke GET  login login  302 302 302  office office office office office
/security/tokens/<id>/revoke POST login login  302 404 404  office office office office office
/session                 GET,POST 200   200    200 200 200  200    200    200    200    200
/forgotten               GET      200   200    200 200 200  200    200    200    200    200
/forgotten               POST     200   200    200 200 200  200    200    200    200    200
/new-password            GET,POST 404   404    404 404 404  404    404    404    404    404
/language                POST     302   302    302 302 302  302    302    302    302    302
/payments/<id>           GET      login login  200 200 404  office office office office office
/payments/<id>/receipt   GET      login login  302 302 404  office office office office office
/payments/<id>/receipt   POST     login login  403 303 404  office office office office office
/login                   GET      200   200    200 200 200  200    200    200    200    200
/login                   POST     200   200    302 302 302  302    302    302    302    302  # own
/login                   OPTIONS  200   200    200 200 200  200    200    200    200    200
/logout                  POST     302   302    302 302 302  302    302    302    302    302
/logout                  OPTIONS  200   200    200 200 200  200    200    200    200    200
/tokens/new              GET      login login  200 200 200  office office office office office
/tokens/new              POST     login login  200 200 200  office office office office office
/docs                    GET      200   200    200 200 200  200    200    200    200    200
/problems                GET      200   200    200 200 200  200    200    200    200    200
/problems/<id>           GET      200   200    200 200 200  200    200    200    200    200
/admin                   every    302   302    302 302 302  302    302    302    302    302
"""

# --- The back office, with a session ------------------------------------------------------------
# `out`siders are strangers, customers and staff who were deactivated. Every method but GET, HEAD
# and POST is 405 to everybody.

OFFICE = """
route                           method    out     cle    tel    man    aud    adm

/admin/                         GET,POST  login   200    200    200    200    200
/admin/login/                   GET       200     office office office office office
/admin/login/                   HEAD      200     200    200    200    200    200
/admin/login/                   POST      200     302    302    302    302    302  # own password
/admin/logout/                  GET       office  405    405    405    405    405
/admin/logout/                  POST      office  200    200    200    200    200
/admin/password_change/         GET       login   200    200    200    200    200
/admin/password_change/         POST      login   302    302    302    302    302  # own password
/admin/password_change/done/    GET       login   200    200    200    200    200
/admin/autocomplete/            GET       login   403    403    403    403    403
/admin/jsi18n/                  GET       login   200    200    200    200    200
/admin/r/<id>/<id>/             GET,POST  login   404    404    404    404    404
/admin/second-factor/           GET       login   200    200    200    200    200
/admin/second-factor/           POST      login   302    302    302    302    302  # begins
/admin/token/                   GET,POST  login   403    200    200    200    403  # shows it
/admin/search/                  GET       login   200    200    200    200    200
/admin/accounts/                GET,POST  login   404    200    200    200    200
/admin/audit/                   GET,POST  login   404    404    200    200    404
/admin/auth/                    GET,POST  login   404    404    404    200    200
/admin/office/                  GET,POST  login   404    200    200    200    404
/admin/transfers/               GET,POST  login   404    200    200    200    404
/admin/accounts/apitoken/make/<id>/ GET,POST login 403 403   403    403    200  # its answer shows
/admin/accounts/customer/<id>/reveal/ GET,POST login 403 200   200    200    403  # its answer shows
/admin/auth/user/<id>/history/  GET,POST  login   403    403    403    200    200
/admin/auth/group/<id>/history/ GET,POST  login   403    403    403    200    200
/admin/*                        GET,POST  login   404    404    404    404    404
"""

# What staff do: `yes` shows the form and carries it out, `no` is 403 to both.
OPERATIONS = """
route                                         cle  tel  man  aud  adm

/admin/accounts/customer/open/                no   yes  yes  no   no
/admin/accounts/customer/<id>/open-account/   no   yes  yes  no   no
/admin/accounts/customer/<id>/update/         no   yes  yes  no   no
/admin/accounts/customer/<id>/close/          no   yes  yes  no   no
/admin/accounts/account/<id>/freeze/          no   yes  yes  no   no
/admin/accounts/account/<id>/verify/          no   no   yes  yes  no
/admin/accounts/apitoken/<id>/revoke/         no   no   yes  no   yes
/admin/office/approvalrequest/deposit/<id>/   no   yes  yes  no   no
/admin/office/approvalrequest/withdraw/<id>/  no   yes  yes  no   no
/admin/office/approvalrequest/limit/<id>/     no   yes  yes  no   no
/admin/office/approvalrequest/unfreeze/<id>/  no   yes  yes  no   no
/admin/office/approvalrequest/close/<id>/     no   yes  yes  no   no
/admin/office/approvalrequest/reverse/<id>/   no   yes  yes  no   no
/admin/office/approvalrequest/<id>/approve/   no   no   yes  no   no   # the teller asked for it
/admin/office/approvalrequest/<id>/refuse/    no   no   yes  no   no
/admin/office/approvalrequest/<id>/withdraw/  no   yes  no   no   no
/admin/transfers/dispute/<id>/note/           no   yes  yes  no   no
/admin/transfers/dispute/<id>/explain/        no   yes  yes  no   no
/admin/transfers/webhookendpoint/<id>/disable/ no  no   yes  no   no
/admin/transfers/webhookendpoint/<id>/replay/ no   no   yes  no   no
/admin/second-factor/<id>/remove/             no   no   no   no   yes
/admin/auth/user/<id>/password/               no   no   no   no   yes
"""

# Lists that can be exported, by those who may (`yes`) with a POST; 403 to all others, 405 to a GET.
EXPORTS = """
route                                     cle  tel  man  aud  adm

/admin/accounts/account/export/           no   no   yes  yes  no
/admin/accounts/accountdailyusage/export/ no   no   yes  yes  no
/admin/audit/auditlog/export/             no   no   yes  yes  no
/admin/office/approvalrequest/export/     no   no   yes  yes  no
/admin/transfers/dispute/export/          no   no   yes  yes  no
/admin/transfers/transfer/export/         no   no   yes  yes  no
/admin/transfers/ledgerentry/export/      no   no   yes  yes  no
"""

# What staff see and edit of each table: v(iew), a(dd), c(hange), d(elete), - nothing.
MODELS = """
model                               cle  tel  man  aud  adm

/admin/accounts/customer/           -    v    v    v    -
/admin/accounts/account/            -    v    v    v    -
/admin/accounts/accountdailyusage/  -    v    v    v    -
/admin/accounts/apitoken/           -    -    v    v    v
/admin/audit/auditlog/              -    -    v    v    -
/admin/auth/user/                   -    -    -    v    vac
/admin/auth/group/                  -    -    -    v    vacd
/admin/office/approvalrequest/      -    v    v    v    -
/admin/transfers/dispute/           -    v    v    v    -
/admin/transfers/transfer/          -    v    v    v    -
/admin/transfers/ledgerentry/       -    v    v    v    -
/admin/transfers/webhookendpoint/   -    -    v    v    -
/admin/transfers/webhookdelivery/   -    -    v    v    -
"""

# The pages that the back office has for each of these tables: what a caller needs, and the answer
# to who has it; 403 to all other staff. What happened to a row is in the audit log alone.
PAGES_OF_A_MODEL = """
route           method    needs    answer

(list)          GET,POST  v        200  # nothing can be done to many rows at once
add/            GET       a        200
add/            POST      a        302
<id>/change/    GET       v        200
<id>/change/    POST      c        302
<id>/delete/    GET       d        200
<id>/delete/    POST      d        302
<id>/history/   GET,POST  nothing  404
<id>/           GET,POST  nothing  302
"""

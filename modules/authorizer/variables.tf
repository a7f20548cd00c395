variable "allow_cache_seconds" {
  description = "Seconds that one instance of the function repeats \"entitled\" for a client id without asking Revenium: comes on top of `cache_ttl_seconds`, so that a lost entitlement lets a caller in for the sum of both at the most. 0 in both asks on every call."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.allow_cache_seconds >= 0 && var.allow_cache_seconds <= 3600 && floor(var.allow_cache_seconds) == var.allow_cache_seconds
    error_message = "`allow_cache_seconds` must be a whole number from 0 to 3600. Use 0 to ask Revenium each time."
  }
}

variable "api_key" {
  description = "Revenium API key for the module to store in a secret of its own. It is kept in Secrets Manager only, in neither plan nor state; set it on every run, and raise `api_key_version` to store another: a key that is rotated elsewhere belongs into a secret of yours. Set either this or `api_key_secret`."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = (var.api_key == null) != (var.api_key_secret == null)
    error_message = "Exactly one of `api_key` and `api_key_secret` must be set. Set `api_key_secret` to use a secret you have, or `api_key` to have the key stored in a new one, and leave the other out."
  }

  validation {
    condition     = var.api_key == null || can(regex("^[!-~]+$", var.api_key))
    error_message = "`api_key` must be one or more printable ASCII characters without spaces or line breaks. Copy the bare key from Revenium."
  }
}

variable "api_key_secret" {
  description = "Existing Secrets Manager secret with the Revenium API key: the bare key, or JSON with the key under `api_key`. `kms_key_arn` is the customer-managed key it is encrypted with, if any: the function's role is then allowed to decrypt with it. Set either this or `api_key`."
  type = object({
    arn         = string
    kms_key_arn = optional(string)
  })
  default = null

  validation {
    condition     = var.api_key_secret == null || can(regex("^arn:aws(-[a-z]+)*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", var.api_key_secret.arn))
    error_message = "`api_key_secret.arn` must be the full ARN of a Secrets Manager secret, up to the hyphen and 6 characters that AWS appends to its name. Copy it from the secret, or set `api_key` instead."
  }

  validation {
    condition     = try(var.api_key_secret.kms_key_arn, null) == null || can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.api_key_secret.kms_key_arn))
    error_message = "`api_key_secret.kms_key_arn` must be the ARN of a KMS key (`...:key/<id>`), not an alias or a bare id. Copy the key's ARN, or leave it out for a secret under the AWS-managed key."
  }
}

variable "api_key_version" {
  description = "Version of `api_key`: a new value of the key is stored when this number is raised."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.api_key_version >= 1 && floor(var.api_key_version) == var.api_key_version
    error_message = "`api_key_version` must be a whole number, 1 or more. Add 1 to the last one to store a new key."
  }
}

variable "authenticate" {
  description = "Python file of yours that says who is calling: its function `authenticate(request)` returns the client id, or None to turn the caller away. `file` is its path, built on `path.module`, `secret` a Secrets Manager secret that it gets as `request.secret`. It may depend on nothing but that and the identity sources, since API Gateway repeats the answer to calls that agree in these. Null takes the client id as it is."
  type = object({
    file = string
    secret = optional(object({
      arn         = string
      kms_key_arn = optional(string)
    }))
  })
  default = null

  validation {
    condition     = var.authenticate == null || can(regex("[.]py$", var.authenticate.file))
    error_message = "`authenticate.file` must be the path of a Python file, ending in .py. Put the function into a file of its own."
  }

  validation {
    condition     = var.authenticate == null || try(fileexists(var.authenticate.file), false)
    error_message = "`authenticate.file` must be a file that is there. Build its path on `path.module`, the folder that names it."
  }

  validation {
    condition     = !try(endswith(var.authenticate.file, ".py") && fileexists(var.authenticate.file), false) || can(regex("(?m)^def authenticate\\(", file(var.authenticate.file)))
    error_message = "`authenticate.file` must define the function `authenticate` with `def`, at the file's top level. Without it every caller would be turned away."
  }

  validation {
    condition     = try(var.authenticate.secret, null) == null || can(regex("^arn:aws(-[a-z]+)*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", var.authenticate.secret.arn))
    error_message = "`authenticate.secret.arn` must be the full ARN of a Secrets Manager secret, up to the hyphen and 6 characters that AWS appends to its name. Copy it from the secret, or leave `secret` out."
  }

  validation {
    condition     = try(var.authenticate.secret.kms_key_arn, null) == null || can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.authenticate.secret.kms_key_arn))
    error_message = "`authenticate.secret.kms_key_arn` must be the ARN of a KMS key (`...:key/<id>`), not an alias or a bare id. Copy the key's ARN, or leave it out for a secret under the AWS-managed key."
  }
}

variable "cache_ttl_seconds" {
  description = "Seconds that API Gateway repeats the answer to calls with the same identity sources without asking the function. A lost entitlement lets a caller in for at most this plus `allow_cache_seconds`, a new one stays shut out for at most this plus `deny_cache_seconds`; 0 in all three asks on every call. WebSocket APIs repeat nothing, and the modes `observe` and `identify` switch it off."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.cache_ttl_seconds >= 0 && var.cache_ttl_seconds <= 3600 && floor(var.cache_ttl_seconds) == var.cache_ttl_seconds
    error_message = "`cache_ttl_seconds` must be a whole number from 0 to 3600. Use 0 for no cache."
  }
}

variable "client_id_source" {
  description = "Where a call carries its client id: a `header` or a `query` parameter by its `name` (clientId); a claim (`jwt_claim`) by its `name` (sub) of the token in the Authorization header, which something in front of the API must have verified, since the function does not; the id of the gateway's API key (`api_key`, on REST and WebSocket APIs); or the subject of the client's certificate (`certificate`, on REST and HTTP APIs with mutual TLS). A call without it is turned away: on REST and HTTP APIs with 401 and without asking the function, unless `cache_ttl_seconds` is 0."
  type = object({
    type = optional(string, "header")
    name = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["api_key", "certificate", "header", "jwt_claim", "query"], var.client_id_source.type)
    error_message = "`client_id_source.type` must be one of api_key, certificate, header, jwt_claim, query. Leave it out for header."
  }

  validation {
    condition     = !contains(["header", "query"], var.client_id_source.type) || var.client_id_source.name == null || can(regex("^[A-Za-z0-9._-]{1,128}$", var.client_id_source.name))
    error_message = "`client_id_source.name` must be 1 to 128 letters, digits, dots, underscores and hyphens, which is what API Gateway takes as the name of a header or query parameter. Leave it out for clientId."
  }

  validation {
    condition     = var.client_id_source.type != "jwt_claim" || var.client_id_source.name == null || can(regex("^[!-+\\--~]{1,128}$", var.client_id_source.name))
    error_message = "`client_id_source.name` must be the name of a claim, 1 to 128 printable ASCII characters without spaces or commas. Leave it out for sub."
  }

  validation {
    condition     = !contains(["api_key", "certificate"], var.client_id_source.type) || var.client_id_source.name == null
    error_message = "`client_id_source.name` must be left out with the types api_key and certificate: there is one of each. Remove it."
  }

  validation {
    condition     = var.client_id_source.type != "api_key" || length(var.http_apis) == 0
    error_message = "`client_id_source.type` must not be api_key while `http_apis` names an API: HTTP APIs have no API keys. Choose another type, or leave the HTTP APIs to an instance with another `name`."
  }

  validation {
    condition     = var.client_id_source.type != "certificate" || length(var.websocket_apis) == 0
    error_message = "`client_id_source.type` must not be certificate while `websocket_apis` names an API: WebSocket APIs have no mutual TLS. Choose another type, or leave the WebSocket APIs to an instance with another `name`."
  }
}

variable "denial_response" {
  description = "How REST APIs answer callers who are turned away: JSON with the reason, under `status_code` (402, 403 or 429) to those whom the function denied, and under 401 to those without a client id or an extra identity source. `cors_origin` is the origin whose pages may read it (`https://app.example.com`, or `*`). It holds for the whole API, other authorizers' denials included; AWS has no such thing on HTTP and WebSocket APIs. Null leaves API Gateway's own answers."
  type = object({
    status_code = optional(number, 403)
    cors_origin = optional(string)
  })
  default = null

  validation {
    condition     = var.denial_response == null || contains([402, 403, 429], try(var.denial_response.status_code, 403))
    error_message = "`denial_response.status_code` must be one of 402, 403, 429. Leave it out for 403."
  }

  validation {
    condition     = try(var.denial_response.cors_origin, null) == null || can(regex("^([*]|[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]+(:[0-9]{1,5})?)$", var.denial_response.cors_origin))
    error_message = "`denial_response.cors_origin` must be * or an origin, `scheme://host` with an optional port, without a path, quotes or a trailing slash. Copy the Origin header that the browser sends."
  }
}

variable "deny_cache_seconds" {
  description = "Seconds that one instance of the function repeats \"not entitled\" for a client id without asking Revenium: comes on top of `cache_ttl_seconds`, so that a new entitlement stays shut out for the sum of both at the most."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.deny_cache_seconds >= 0 && var.deny_cache_seconds <= 3600 && floor(var.deny_cache_seconds) == var.deny_cache_seconds
    error_message = "`deny_cache_seconds` must be a whole number from 0 to 3600. Use 0 to ask Revenium each time."
  }
}

variable "entitlement_parameter" {
  description = "What callers send as their client id: `application` (a subscriber credential) or `productKey` (a subscription id)."
  type        = string
  default     = "application"
  nullable    = false

  validation {
    condition     = contains(["application", "productKey"], var.entitlement_parameter)
    error_message = "`entitlement_parameter` must be one of application, productKey. Leave it out for application."
  }
}

variable "entitlement_timeout_seconds" {
  description = "Seconds for the function's whole answer, the hook included, before an earlier decision or `on_error` answers. API Gateway waits 10 s."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.entitlement_timeout_seconds >= 1 && var.entitlement_timeout_seconds <= 8 && floor(var.entitlement_timeout_seconds) == var.entitlement_timeout_seconds
    error_message = "`entitlement_timeout_seconds` must be a whole number from 1 to 8. Use 8 for the longest wait."
  }
}

variable "entitlement_url" {
  description = "Full URL of the entitlement check of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null

  validation {
    condition     = var.entitlement_url == null || can(regex("^(https://[A-Za-z0-9.-]+|http://(127\\.0\\.0\\.1|localhost))(:[0-9]+)?(/|$)", var.entitlement_url))
    error_message = "`entitlement_url` must start with https:// and a host name, since the API key is sent to it; http:// is taken for 127.0.0.1 and localhost alone. Use the instance's https URL."
  }

  validation {
    condition     = var.entitlement_url == null || can(regex("^[^\\s?#]*[^\\s?#/]$", var.entitlement_url))
    error_message = "`entitlement_url` must have no query, fragment, spaces or trailing slash. Give the URL up to the end of its path."
  }
}

variable "extra_identity_sources" {
  description = "Headers and query parameters, besides `client_id_source`, that a call has to bring and that the hook of `authenticate` gets to see: by `type` (`header`, `query`) and `name`. API Gateway repeats an answer only to calls that agree in all of them; a call that lacks one is turned away like one without a client id. The modes `observe` and `identify` do not ask for them."
  type        = list(object({ type = string, name = string }))
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for source in var.extra_identity_sources : try(contains(["header", "query"], source.type), false)])
    error_message = "`extra_identity_sources[*].type` must be one of header, query. Nothing else of a call can be named."
  }

  validation {
    condition     = alltrue([for source in var.extra_identity_sources : can(regex("^[A-Za-z0-9._-]{1,128}$", source.name))])
    error_message = "`extra_identity_sources[*].name` must be 1 to 128 letters, digits, dots, underscores and hyphens, which is what API Gateway takes as the name of a header or query parameter. Have callers use such a name."
  }

  validation {
    condition     = length(var.extra_identity_sources) <= 5
    error_message = "`extra_identity_sources` must name at most 5 headers and query parameters. Have callers put what belongs together into one."
  }

  validation {
    condition     = length(distinct([for source in var.extra_identity_sources : "${source.type}:${source.type == "header" ? lower(source.name) : source.name}"])) == length(var.extra_identity_sources)
    error_message = "`extra_identity_sources` must name nothing twice; headers are compared without case. Remove the second."
  }

  validation {
    condition = !anytrue([
      for source in var.extra_identity_sources : source.type == local.client_id_carrier.type &&
      (source.type == "header" ? lower(source.name) == lower(local.client_id_carrier.name) : source.name == local.client_id_carrier.name)
    ])
    error_message = "`extra_identity_sources` must not name what `client_id_source` is read from: it is an identity source already. Remove it."
  }
}

variable "functions" {
  description = <<-TEXT
    What the Lambda functions have in common. Null or left out is the default in parentheses:
    `ca_certificate_file` path, built on `path.module`, of a PEM file with the certificate of a private authority, to trust beside the public ones when talking to Revenium (none);
    `iam_path` path of the roles that are made (/);
    `log_level` least important level of the functions' logs: `DEBUG`, `INFO`, `WARNING` or `ERROR` (INFO);
    `permissions_boundary_arn` policy that bounds the roles that are made (none);
    `reserved_concurrency` most instances of a function at once, 3 or more, by `metering` and `authorizer` (the account's own limit);
    `roles` roles of yours in place of made ones, by `metering`, `authorizer` and `stage_logging`: each role's `arn`; what it has to allow is in the output `role_policy` (made with the least rights);
    `tracing` X-Ray traces of the invocations (false);
    `vpc` subnets and security groups to join, by `subnet_ids` and `security_group_ids`, with a way to Revenium and to the AWS APIs (none).
  TEXT
  type = object({
    ca_certificate_file      = optional(string)
    iam_path                 = optional(string, "/")
    log_level                = optional(string, "INFO")
    permissions_boundary_arn = optional(string)
    reserved_concurrency     = optional(map(number), {})
    roles                    = optional(map(object({ arn = string })), {})
    tracing                  = optional(bool, false)
    vpc = optional(object({
      security_group_ids = set(string)
      subnet_ids         = set(string)
    }))
  })
  default  = {}
  nullable = false
}

variable "http_apis" {
  description = "HTTP APIs in this account and region to create an authorizer on, by a name of your choice that stays: it keys `http_authorizer_ids`. `id` is the API's id."
  type        = map(object({ id = string }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.http_apis) : can(regex("^[A-Za-z0-9_-]{1,32}$", key))])
    error_message = "`http_apis` must have keys of 1 to 32 letters, digits, hyphens and underscores. Choose a short name for each API."
  }

  validation {
    condition     = alltrue([for api in values(var.http_apis) : can(regex("^[a-z0-9]+$", api.id))])
    error_message = "`http_apis[*].id` must be the id of an API: lower-case letters and digits. Pass `aws_apigatewayv2_api.<name>.id`, not a name or an ARN."
  }
}

variable "kms_key" {
  description = "Customer-managed KMS key by its `arn`, for the log groups, the queues, the API key's secret and the functions' environment; null for AWS's own keys. Its policy has to let CloudWatch Logs use it, see `modules/kms_key`."
  type        = object({ arn = string })
  default     = null
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the function's logs."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains(local.log_retention_allowed, var.log_retention_days)
    error_message = "`log_retention_days` must be one of ${join(", ", local.log_retention_allowed)}. Choose the next longer one."
  }
}

variable "mode" {
  description = "What the function does with callers: `enforce` turns away whom Revenium does not entitle; `observe` asks Revenium and only counts, `identify` asks nothing, and both let everyone in and put the client id into the access log. These two ask the function on every call, whatever `cache_ttl_seconds` is, since API Gateway would answer 401 to a call without an identity source."
  type        = string
  default     = "enforce"
  nullable    = false

  validation {
    condition     = contains(["enforce", "identify", "observe"], var.mode)
    error_message = "`mode` must be one of enforce, identify, observe. Leave it out for enforce."
  }
}

variable "monitoring" {
  description = <<-TEXT
    Alarms; null leaves them out. Thresholds are what an alarm goes off above:
    `alarm_actions` up to 5 ARNs that CloudWatch calls when an alarm goes off and when it is over, SNS topics or any other action (none);
    `thresholds.authorizer_failures` failed and throttled invocations in a minute, in three of 15 minutes (0: each is a caller who gets 500);
    `thresholds.fail_open` callers let in unasked by `on_error` in 5 minutes (0: nobody knows whether they may call);
    `thresholds.key_refused` answers in 15 minutes that were not decided for want of a key that works (0: an operator has to act);
    `thresholds.no_decision_percent` share of the answers, in three of six periods of 5 minutes, for which there was no decision, neither a new nor an earlier one (5: single timeouts wake nobody).
  TEXT
  type = object({
    alarm_actions = optional(set(string), [])
    thresholds = optional(object({
      authorizer_failures = optional(number, 0)
      fail_open           = optional(number, 0)
      key_refused         = optional(number, 0)
      no_decision_percent = optional(number, 5)
    }), {})
  })
  default = {}

  validation {
    condition     = alltrue([for action in try(var.monitoring.alarm_actions, []) : can(regex("^arn:aws(-[a-z]+)*:[a-z0-9-]+:", action))])
    error_message = "`monitoring.alarm_actions` must be ARNs of what CloudWatch alarms can call. Pass the ARN of an SNS topic, not its name or an e-mail address."
  }

  validation {
    condition     = length(try(var.monitoring.alarm_actions, [])) <= 5
    error_message = "`monitoring.alarm_actions` must be at most 5, all that an alarm takes. Subscribe the others to an SNS topic."
  }

  validation {
    condition = alltrue([
      for name, value in try(var.monitoring.thresholds, {}) :
      value >= 0 && (endswith(name, "_percent") || floor(value) == value)
    ])
    error_message = "`monitoring.thresholds` must be 0 or more, and those that count things whole numbers. Leave out what has a default."
  }

  validation {
    condition     = try(var.monitoring.thresholds.no_decision_percent, 0) <= 100
    error_message = "`monitoring.thresholds.no_decision_percent` must be a share of all answers, from 0 to 100. Leave it out for 5."
  }
}

variable "name" {
  description = "Prefix of the name of everything the module creates; two instances in one account and region need two names. Another name replaces everything."
  type        = string
  default     = "revenium"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", var.name))
    error_message = "`name` must be letters, digits and hyphens, with no hyphen at either end. Replace other characters by hyphens."
  }

  validation {
    condition     = length(var.name) <= local.name_max_length
    error_message = "`name` must have at most ${local.name_max_length} characters, so that the role's name `<name>-authorizer-<region>` keeps to IAM's 64. Shorten it."
  }
}

variable "on_error" {
  description = "Answer to a caller while Revenium cannot be asked or is in trouble and no decision from the last `stale_seconds` is at hand: `deny` shuts the caller out, `allow` lets the caller in. Where Revenium refuses to check the caller's id (400, 422 and the like) the caller stays out with both."
  type        = string
  default     = "deny"
  nullable    = false

  validation {
    condition     = contains(["allow", "deny"], var.on_error)
    error_message = "`on_error` must be one of allow, deny. Leave it out for deny."
  }
}

variable "rest_apis" {
  description = "REST APIs in this account and region to create an authorizer on, by a name of your choice that stays: it keys `rest_authorizer_ids`. `id` is the API's id."
  type        = map(object({ id = string }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.rest_apis) : can(regex("^[A-Za-z0-9_-]{1,32}$", key))])
    error_message = "`rest_apis` must have keys of 1 to 32 letters, digits, hyphens and underscores. Choose a short name for each API."
  }

  validation {
    condition     = alltrue([for api in values(var.rest_apis) : can(regex("^[a-z0-9]+$", api.id))])
    error_message = "`rest_apis[*].id` must be the id of an API: lower-case letters and digits. Pass `aws_api_gateway_rest_api.<name>.id`, not a name or an ARN."
  }

  validation {
    condition     = length(var.rest_apis) + length(var.http_apis) + length(var.websocket_apis) <= 50
    error_message = "`rest_apis`, `http_apis` and `websocket_apis` must name at most 50 APIs together, the permissions that fit into one function's policy of 20,480 bytes. Move some to a second instance with another `name`."
  }
}

variable "runtime" {
  description = "Lambda runtime of the function. `python3.14` needs aws provider 6."
  type        = string
  default     = "python3.12"
  nullable    = false

  validation {
    condition     = contains(["python3.11", "python3.12", "python3.13", "python3.14"], var.runtime)
    error_message = "`runtime` must be one of python3.11, python3.12, python3.13, python3.14. Leave it out for python3.12."
  }
}

variable "stale_seconds" {
  description = "Seconds for which a decision may be repeated while Revenium cannot be asked; after that, and for callers without one, `on_error` decides. An entitlement that is lost meanwhile lets its caller in for as long. 0 is never."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.stale_seconds >= 0 && var.stale_seconds <= 86400 && floor(var.stale_seconds) == var.stale_seconds
    error_message = "`stale_seconds` must be a whole number from 0 to 86400. Use 0 to have `on_error` decide at once."
  }
}

variable "tags" {
  description = "Tags of everything that is made and takes tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "websocket_apis" {
  description = "WebSocket APIs in this account and region to create an authorizer on, by a name of your choice that stays: it keys `websocket_authorizer_ids`. `id` is the API's id."
  type        = map(object({ id = string }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.websocket_apis) : can(regex("^[A-Za-z0-9_-]{1,32}$", key))])
    error_message = "`websocket_apis` must have keys of 1 to 32 letters, digits, hyphens and underscores. Choose a short name for each API."
  }

  validation {
    condition     = alltrue([for api in values(var.websocket_apis) : can(regex("^[a-z0-9]+$", api.id))])
    error_message = "`websocket_apis[*].id` must be the id of an API: lower-case letters and digits. Pass `aws_apigatewayv2_api.<name>.id`, not a name or an ARN."
  }
}

variable "api_key" {
  description = "Revenium API key for the module to store in a secret of its own. It is kept in Secrets Manager only, in neither plan nor state; set it on every run, and raise `api_key_version` to store another: a key that is rotated elsewhere belongs into a secret of yours. Set either this or `api_key_secret`."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "api_key_secret" {
  description = "Existing Secrets Manager secret with the Revenium API key: the bare key, or JSON with the key under `api_key`. `kms_key_arn` is the customer-managed key it is encrypted with, if any: the functions' roles are then allowed to decrypt with it. Set either this or `api_key`."
  type = object({
    arn         = string
    kms_key_arn = optional(string)
  })
  default = null
}

variable "api_key_version" {
  description = "Version of `api_key`: a new value of the key is stored when this number is raised."
  type        = number
  default     = 1
  nullable    = false
}

variable "authorizer" {
  description = <<-TEXT
    Authorization of callers by their Revenium entitlement; null leaves it out. What is not set takes the default of `modules/authorizer`:
    `allow_cache_seconds` how long one instance of the function repeats "entitled" without asking Revenium, 0 to 3600 (30);
    `api_key_secret` a key of its own, where the metering key may not check entitlements (the root's key);
    `authenticate` Python file of yours that says who is calling, and a secret for it (none);
    `cache_ttl_seconds` how long API Gateway repeats an answer, 0 to 3600: a lost entitlement lets in for at most this plus `allow_cache_seconds`, and 0 in both asks on every call (30);
    `client_id_source` what carries the client id: `type` is `header`, `query`, `jwt_claim`, `api_key` or `certificate`, `name` that of the header, parameter or claim (the header clientId);
    `denial_response` status 402, 403 or 429 and JSON with the reason for those whom REST APIs turn away, readable for the pages of `cors_origin` (API Gateway's own answer);
    `deny_cache_seconds` how long one instance of the function repeats "not entitled", 0 to 3600 (10);
    `entitlement_parameter` what callers send as their client id: `application` or `productKey` (application);
    `entitlement_timeout_seconds` how long the function's whole answer may take, 1 to 8 (3);
    `entitlement_url` full URL of the check of an EU or private Revenium instance (the public instance);
    `extra_identity_sources` up to 5 headers and query parameters, by `type` and `name`, that a call has to bring as well (none);
    `mode` `enforce`, or let everyone in: `observe` checks and counts, `identify` only notes the client id (enforce);
    `on_error` answer while Revenium cannot be asked or is in trouble and no earlier decision is at hand: `deny` or `allow` (deny);
    `stale_seconds` how old a decision may be that is repeated while Revenium cannot be asked, 0 to 86400 (300).
  TEXT
  type = object({
    allow_cache_seconds = optional(number)
    api_key_secret = optional(object({
      arn         = string
      kms_key_arn = optional(string)
    }))
    authenticate = optional(object({
      file = string
      secret = optional(object({
        arn         = string
        kms_key_arn = optional(string)
      }))
    }))
    cache_ttl_seconds = optional(number)
    client_id_source = optional(object({
      type = optional(string)
      name = optional(string)
    }))
    denial_response = optional(object({
      status_code = optional(number)
      cors_origin = optional(string)
    }))
    deny_cache_seconds          = optional(number)
    entitlement_parameter       = optional(string)
    entitlement_timeout_seconds = optional(number)
    entitlement_url             = optional(string)
    extra_identity_sources      = optional(list(object({ type = string, name = string })))
    mode                        = optional(string)
    on_error                    = optional(string)
    stale_seconds               = optional(number)
  })
  default = {}

  validation {
    condition     = var.authorizer != null || var.metering != null
    error_message = "`authorizer` and `metering` must not both be null: nothing would be left to do. Leave one of them out at most."
  }

  validation {
    condition     = try(var.authorizer.api_key_secret, null) == null || var.metering != null
    error_message = "`authorizer.api_key_secret` must be left out where `metering` is null: the authorizer's key is then the only one. Set `api_key_secret` instead."
  }

  validation {
    condition     = var.authorizer != null || length(var.rest_apis) + length(var.http_apis) + length(var.websocket_apis) == 0
    error_message = "`authorizer` must not be null while `rest_apis`, `http_apis` or `websocket_apis` name an API: its calls would not be authorized. Leave `authorizer` out, or empty all three."
  }
}

variable "existing_stages" {
  description = <<-TEXT
    Stages that are owned elsewhere (the console, another configuration, another tool) in this account and region, to switch access logs on at, by a name of your choice that stays: renaming an entry takes two applies, one without it. When an entry goes, its stage gets back what it logged before:
    `kind` kind of the API: `REST`, `HTTP` or `WEBSOCKET`; REST and WEBSOCKET need the account's logging role, see `modules/account_logging`;
    `api_id` the API's id;
    `stage` the stage's name, also `$default`;
    `replace_existing` whether to take over a stage that logs to somebody else's destination now; it gets nothing while the stage is metered (false).
  TEXT
  type = map(object({
    kind             = string
    api_id           = string
    stage            = string
    replace_existing = optional(bool, false)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = var.metering != null || length(var.existing_stages) == 0
    error_message = "`existing_stages` must be empty where `metering` is null: nothing would read what the stages log. Leave `metering` out, or empty `existing_stages`."
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
    `roles` roles of yours in place of made ones, by `metering`, `authorizer` and `stage_logging`: each role's `arn`; what it has to allow is in the output `role_policies` (made with the least rights);
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
}

variable "kms_key" {
  description = "Customer-managed KMS key for the log groups, the queues, the API key's secret and the functions' environment: `create = true` makes one, `arn` names one of yours, whose policy has to let CloudWatch Logs use it, see `modules/kms_key`. Null for AWS's own keys."
  type = object({
    arn    = optional(string)
    create = optional(bool, false)
  })
  default = null

  validation {
    # Not by the ARN alone: that of a key made in the same run is unknown at plan.
    condition     = var.kms_key == null || try(var.kms_key.create != (var.kms_key.arn != null), false)
    error_message = "`kms_key` must have either `arn` or `create = true`. Name a key of yours, have one made, or leave `kms_key` out for AWS's own keys."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the access-log group that the module makes and the functions' logs."
  type        = number
  default     = 30
  nullable    = false
}

variable "metering" {
  description = <<-TEXT
    Metering of API traffic; null leaves it out. What is not set takes the default of `modules/metering`:
    `elements` metering elements of each call: an element's name to the access-log key of its value, of ours (`responseLength`, `integrationLatency`, ...) or of `extra_log_fields`;
    `existing_log_groups` log groups that stages write access logs to already, metered beside the module's own: a name of your choice that stays to the group's `arn` and, to take a subscription filter over, its `filter_name`;
    `extra_log_fields` fields to add to the access-log formats: an access-log key of yours to a `$context` variable;
    `filter` which calls are metered, by `statuses` (`2xx`, `404`), `routes` and `excluded_routes` (`/internal/*`, `OPTIONS *`), `include_gateway_rejections` (no) and `websocket_events` (only `MESSAGE`), see the README's *What is metered, and how*;
    `metadata` v1 only: a text in which `{key}` stands for an access-log field;
    `metering_api` version of Revenium's metering API: `v2` takes a repeated record once, `v1` counts it twice (v2);
    `metering_url` base URL of the metering API of an EU or private Revenium instance (the public instance);
    `request_timeout_seconds` how long one call to Revenium may take, 1 to 60 (10);
    `requests_per_second` what Revenium takes from your account; with v2 each API call makes two, with `elements` three (1000);
    `retry_hours` how long the retry queue tries before a record becomes a dead letter, 1 to 168 (23);
    `sources` source ids that usage belongs to: a name of your choice to `source_id` and what it is for, an `api_id`, a `route` of it, or all else;
    `subscription` v1 only: the product key, or a text in which `{key}` stands for an access-log field;
    `timeout_seconds` how long one invocation of the function may take, 30 to 900 (60);
    `v1_unanswered` what becomes of a v1 call that may have been counted: `park` or `resend` (park).
  TEXT
  type = object({
    elements            = optional(map(string))
    existing_log_groups = optional(map(object({ arn = string, filter_name = optional(string) })))
    extra_log_fields    = optional(map(string))
    filter = optional(object({
      excluded_routes            = optional(set(string))
      include_gateway_rejections = optional(bool)
      routes                     = optional(set(string))
      statuses                   = optional(set(string))
      websocket_events           = optional(set(string))
    }))
    metadata                = optional(string)
    metering_api            = optional(string)
    metering_url            = optional(string)
    request_timeout_seconds = optional(number)
    requests_per_second     = optional(number)
    retry_hours             = optional(number)
    sources = optional(map(object({
      api_id    = optional(string)
      route     = optional(string)
      source_id = string
    })))
    subscription    = optional(string)
    timeout_seconds = optional(number)
    v1_unanswered   = optional(string)
  })
  default = {}
}

variable "monitoring" {
  description = <<-TEXT
    Dashboard and alarms; null leaves out both. What is not set takes the default of `modules/metering` and `modules/authorizer`. Thresholds are what an alarm goes off above:
    `alarm_actions` up to 5 ARNs that CloudWatch calls when an alarm goes off and when it is over, SNS topics or any other action (none);
    `dashboard` whether metering comes with a dashboard (true);
    `stages` up to 7 stages whose calls are compared with what was billed, by a name of your choice that stays: all REST and HTTP stages that this instance meters, as `api_name` (REST) or `api_id` (HTTP) and `stage` (none: nothing is compared);
    `thresholds.authorizer_failures` failed and throttled invocations of the authorizer in a minute, in three of 15 minutes (0: each is a caller who gets 500);
    `thresholds.dead_letters` messages in the dead-letter queue (0: nobody is billed for what lies there);
    `thresholds.delivery_errors` log events that CloudWatch could not hand over in 5 minutes (0: some errors lose the event);
    `thresholds.fail_open` callers let in unasked by `authorizer.on_error` in 5 minutes (0: nobody knows whether they may call);
    `thresholds.key_refused` records queued, or answers not decided, in 15 minutes for want of a key that works (0: an operator has to act);
    `thresholds.metering_errors` failed invocations of metering in 15 minutes (2: an event that is given up has failed three times);
    `thresholds.metering_throttles` throttled invocations of metering in each of three periods of 5 minutes (0: Lambda tries again for 6 hours, a burst wakes nobody);
    `thresholds.missing_calls` and `thresholds.missing_percent` calls of a day, and share of them, that are neither billed nor skipped nor wait in the retry queue: both have to be exceeded (10, and 0.5: about what is on its way while traffic grows);
    `thresholds.no_decision_percent` share of the authorizer's answers, in three of six periods of 5 minutes, for which there was no decision, neither a new nor an earlier one (5: single timeouts wake nobody);
    `thresholds.queued_hours` hours that the oldest record has been tried (4, or half of `metering.retry_hours` where that is less: Revenium is in trouble, and there is time to act).
  TEXT
  type = object({
    alarm_actions = optional(set(string))
    dashboard     = optional(bool)
    stages = optional(map(object({
      api_id   = optional(string)
      api_name = optional(string)
      stage    = string
    })))
    thresholds = optional(object({
      authorizer_failures = optional(number)
      dead_letters        = optional(number)
      delivery_errors     = optional(number)
      fail_open           = optional(number)
      key_refused         = optional(number)
      metering_errors     = optional(number)
      metering_throttles  = optional(number)
      missing_calls       = optional(number)
      missing_percent     = optional(number)
      no_decision_percent = optional(number)
      queued_hours        = optional(number)
    }))
  })
  default = {}

  validation {
    condition     = var.metering != null || length(coalesce(try(var.monitoring.stages, null), {})) == 0
    error_message = "`monitoring.stages` must be empty where `metering` is null: nothing would be billed to compare with. Leave `metering` out, or empty `monitoring.stages`."
  }
}

variable "name" {
  description = "Prefix of the name of everything the module creates; two instances in one account and region need two names. Another name replaces everything, with the logs and with what waits in the queues."
  type        = string
  default     = "revenium"
  nullable    = false
}

variable "rest_apis" {
  description = "REST APIs in this account and region to create an authorizer on, by a name of your choice that stays: it keys `rest_authorizer_ids`. `id` is the API's id."
  type        = map(object({ id = string }))
  default     = {}
  nullable    = false
}

variable "runtime" {
  description = "Lambda runtime of the functions. `python3.14` needs aws provider 6."
  type        = string
  default     = "python3.12"
  nullable    = false
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
}

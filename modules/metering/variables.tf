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

variable "authorizer" {
  description = "Authorizer to show on the dashboard beside metering, by the outputs `function_name` and `alarm_arns` of `modules/authorizer`. Null shows metering alone."
  type = object({
    alarm_arns    = optional(list(string), [])
    function_name = string
  })
  default = null
}

variable "elements" {
  description = "Metering elements of each call: an element's name in Revenium to the access-log key of its value, of ours (`responseLength`, `integrationLatency`, ...) or of `extra_log_fields`. With v2 they are a third request for each call."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.elements) <= 20 && alltrue([for name in keys(var.elements) : can(regex("^[ -~]{1,64}$", name))])
    error_message = "`elements` must have at most 20 entries, with names of 1 to 64 characters of printable ASCII. Leave out what no price depends on."
  }

  validation {
    condition     = alltrue([for key in values(var.elements) : contains(local.access_log_readable_keys, key)])
    error_message = "`elements` must name access-log keys: ${join(", ", local.access_log_keys_of_ours)}, or a key of `extra_log_fields`. Add what is missing there."
  }
}

variable "existing_log_groups" {
  description = "Log groups that API Gateway stages write access logs to already, metered beside the module's own, by a name of your choice that stays. `arn` with or without a trailing `:*`, in this account and region and of the Standard class. `filter_name` is the name of the subscription filter to make there (the metering function's): a filter of that name is taken over in one step, so that what it fed gets nothing more and no line is lost or read twice. Keep `filter_name`, and rename an entry by `terraform state mv` of its subscription filter and its permission, as making them and deleting the others can lose lines."
  type = map(object({
    arn         = string
    filter_name = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.existing_log_groups) : can(regex("^[A-Za-z0-9_-]{1,64}$", name))])
    error_message = "`existing_log_groups` must have names of 1 to 64 letters, digits, hyphens and underscores, as they name permissions and alarms. Rename the entry."
  }

  validation {
    condition     = alltrue([for group in var.existing_log_groups : can(regex("^arn:aws(-[a-z]+)*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[A-Za-z0-9_/.#-]+(:\\*)?$", group.arn))])
    error_message = "`existing_log_groups[*].arn` must be the ARN of a CloudWatch log group. Copy it from the log group, or leave the entry out."
  }

  validation {
    condition     = alltrue([for group in var.existing_log_groups : try(split(":", group.arn)[6], "") != "/aws/lambda/${var.name}-metering"])
    error_message = "`existing_log_groups[*].arn` must not be the metering function's own log group: each of its lines would call it again. Name the group that the API Gateway stages write to."
  }

  validation {
    condition     = alltrue([for group in var.existing_log_groups : try(split(":", group.arn)[6], "") != "/aws/vendedlogs/apigateway/${var.name}"])
    error_message = "`existing_log_groups[*].arn` must not be the group that the module makes, which is metered in any case. Leave the entry out."
  }

  validation {
    condition     = length(distinct([for group in var.existing_log_groups : trimsuffix(coalesce(group.arn, "-"), ":*")])) == length(var.existing_log_groups)
    error_message = "`existing_log_groups` must name each group once, as each call would be metered for every entry. Leave the second out."
  }

  validation {
    condition     = alltrue([for group in var.existing_log_groups : group.filter_name == null || can(regex("^[^:*]{1,512}$", group.filter_name))])
    error_message = "`existing_log_groups[*].filter_name` must have 1 to 512 characters without `:` and `*`, as CloudWatch takes it. Copy it from `aws logs describe-subscription-filters`, or leave it out."
  }

  validation {
    # Lambda takes 20,480 bytes; a statement has at most 340 and the lengths of the names in it.
    condition     = sum(concat([1000], [for name, group in var.existing_log_groups : 340 + length(name) + length(var.name) + length(coalesce(group.arn, "-"))])) <= 20480
    error_message = "`existing_log_groups` must fit into the function's policy of 20,480 bytes, which has room for about 40. Meter the others by a second instance of the module under another `name`."
  }
}

variable "extra_log_fields" {
  description = "Fields to add to the access-log formats: an access-log key of yours to a `$context` variable, such as `{ tenant = \"$context.authorizer.tenant\" }`. Each goes into the formats of the kinds of API that have the variable; `elements`, `subscription` and `metadata` can use it. An authorizer's own value must hold no quote that a caller chose: it could falsify the added fields behind it, and nothing else."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.extra_log_fields) : can(regex("^[A-Za-z][A-Za-z0-9_]{0,31}$", key))])
    error_message = "`extra_log_fields` must have keys of 1 to 32 letters, digits and underscores, a letter first. Rename the key."
  }

  validation {
    condition     = length(setintersection(keys(var.extra_log_fields), local.access_log_keys_of_ours)) == 0
    error_message = "`extra_log_fields` must not have a key of ours: ${join(", ", local.access_log_keys_of_ours)}. Use another key, or ours where it says the same."
  }

  validation {
    condition     = alltrue([for variable in values(var.extra_log_fields) : can(regex("^\\$context(\\.[A-Za-z0-9_-]+)+$", variable))])
    error_message = "`extra_log_fields` must have one `$context` variable for each key (`$context.authorizer.tenant`), as access logs take no other kind. Pass what is no such variable through an authorizer's context."
  }

  validation {
    condition     = alltrue([for variable in values(var.extra_log_fields) : !can(regex("^\\$context\\.(identity\\.apiKey|path|requestId|identity\\.userAgent|error\\.(message|messageString|validationErrorString))$", variable))])
    error_message = "`extra_log_fields` must not name `$context.identity.apiKey`, which is a secret, nor what callers write: path, requestId, identity.userAgent, error messages. Use `$context.identity.apiKeyId`, and the keys `path` and `userAgent` that each line has."
  }
}

variable "filter" {
  description = <<-TEXT
    Which calls are metered; by default every call that reached the API, and the messages of WebSockets:
    `statuses` codes (`404`) and classes (`2xx`) to meter, empty is all: in the module's own log group CloudWatch then passes on no line that shows another status;
    `routes` patterns of the routes to meter, empty is all: `*` stands for any characters, a route is named as in API Gateway (`/products/{id}`, `$default`), and a method and a space before it (`OPTIONS *`) mean both;
    `excluded_routes` patterns of the routes not to meter, which win;
    `include_gateway_rejections` meter the calls that API Gateway turned away, too: for the client that an authorizer named, or nobody (false);
    `websocket_events` of `CONNECT`, `MESSAGE` and `DISCONNECT`, those to meter (only messages).
  TEXT
  type = object({
    excluded_routes            = optional(set(string), [])
    include_gateway_rejections = optional(bool, false)
    routes                     = optional(set(string), [])
    statuses                   = optional(set(string), [])
    websocket_events           = optional(set(string), ["MESSAGE"])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for status in var.filter.statuses : can(regex("^[1-5](xx|[0-9][0-9])$", status))])
    error_message = "`filter.statuses` must be codes from 100 to 599 and classes from 1xx to 5xx. Leave it out for all."
  }

  validation {
    condition     = alltrue([for pattern in setunion(var.filter.routes, var.filter.excluded_routes) : can(regex("^([A-Z]+ )?[!-~]+$", pattern))])
    error_message = "`filter.routes` and `filter.excluded_routes` must be routes without spaces, with at most a method in capitals and one space before them. Write `*` for any characters."
  }

  validation {
    condition     = alltrue([for event in var.filter.websocket_events : contains(["CONNECT", "MESSAGE", "DISCONNECT"], event)])
    error_message = "`filter.websocket_events` must be of CONNECT, MESSAGE, DISCONNECT. Leave it out for messages alone."
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
    condition     = alltrue([for key in keys(var.existing_stages) : can(regex("^[A-Za-z0-9_-]{1,32}$", key))])
    error_message = "`existing_stages` must have keys of 1 to 32 letters, digits, hyphens and underscores. Choose a short name for each stage."
  }

  validation {
    condition     = alltrue([for stage in values(var.existing_stages) : contains(["REST", "HTTP", "WEBSOCKET"], coalesce(stage.kind, "null"))])
    error_message = "`existing_stages[*].kind` must be one of REST, HTTP, WEBSOCKET. Use the API's type as the API Gateway console shows it."
  }

  validation {
    condition     = alltrue([for stage in values(var.existing_stages) : can(regex("^[a-z0-9]+$", stage.api_id))])
    error_message = "`existing_stages[*].api_id` must be the id of an API: lower-case letters and digits. Copy it from the API Gateway console, not a name or an ARN."
  }

  validation {
    condition = alltrue([
      for stage in values(var.existing_stages) :
      can(regex("^[A-Za-z0-9_-]{1,128}$", stage.stage)) || (stage.kind == "HTTP" && stage.stage == "$default")
    ])
    error_message = "`existing_stages[*].stage` must be the name of a stage: 1 to 128 letters, digits, hyphens and underscores, or $default on an HTTP API. Copy it from the API Gateway console, without a slash."
  }

  validation {
    condition     = length(distinct([for stage in values(var.existing_stages) : jsonencode([stage.api_id, stage.stage])])) == length(var.existing_stages)
    error_message = "`existing_stages` must name each stage once. Remove one of the entries with the same `api_id` and `stage`."
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

variable "kms_key" {
  description = "Customer-managed KMS key by its `arn`, for the log groups, the queues, the API key's secret and the functions' environment; null for AWS's own keys. Its policy has to let CloudWatch Logs use it, see `modules/kms_key`."
  type        = object({ arn = string })
  default     = null
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the module's access-log group and the function's logs."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains(local.log_retention_allowed, var.log_retention_days)
    error_message = "`log_retention_days` must be one of ${join(", ", local.log_retention_allowed)}. Choose the next longer one."
  }
}

variable "metadata" {
  description = "Metadata of each call, with v1 only: a text in which `{key}` stands for an access-log field, such as `stage={stage},tenant={tenant}`. A part between commas whose field has no value is left out."
  type        = string
  default     = null

  validation {
    condition     = var.metadata == null || var.metering_api == "v1"
    error_message = "`metadata` must be left out unless `metering_api` is v1: v2 has no such field. Use `elements`, or v1."
  }

  validation {
    condition     = can(regex("^[ -~]{1,512}$", coalesce(var.metadata, "-")))
    error_message = "`metadata` must be 1 to 512 characters of printable ASCII. Leave it out to send none."
  }

  validation {
    condition     = alltrue([for slot in regexall("\\{([^}]*)\\}", coalesce(var.metadata, "-")) : contains(local.access_log_readable_keys, slot[0])])
    error_message = "`metadata` must name access-log keys between braces: ${join(", ", local.access_log_keys_of_ours)}, or a key of `extra_log_fields`. Add what is missing there."
  }
}

variable "metering_api" {
  description = "Version of Revenium's metering API: `v2` takes a repeated record once, `v1` counts it twice."
  type        = string
  default     = "v2"
  nullable    = false

  validation {
    condition     = contains(["v1", "v2"], var.metering_api)
    error_message = "`metering_api` must be one of v1, v2. Leave it out for v2."
  }
}

variable "metering_url" {
  description = "Base URL of the metering API of an EU or private Revenium instance, up to before `/v2` (v2) or `/meter` (v1). Null is Revenium's public instance."
  type        = string
  default     = null

  validation {
    condition     = var.metering_url == null || can(regex("^(https://[A-Za-z0-9.-]+|http://(127\\.0\\.0\\.1|localhost))(:[0-9]+)?(/|$)", var.metering_url))
    error_message = "`metering_url` must start with https:// and a host name, since the API key is sent to it; http:// is taken for 127.0.0.1 and localhost alone. Use the instance's https URL."
  }

  validation {
    condition     = var.metering_url == null || can(regex("^[^\\s?#]*[^\\s?#/]$", var.metering_url))
    error_message = "`metering_url` must have no query, fragment, spaces or trailing slash. Give the URL up to the end of its path."
  }
}

variable "monitoring" {
  description = <<-TEXT
    Dashboard and alarms; null leaves out both. Thresholds are what an alarm goes off above:
    `alarm_actions` up to 5 ARNs that CloudWatch calls when an alarm goes off and when it is over, SNS topics or any other action (none);
    `dashboard` whether there is a dashboard (true);
    `stages` up to 7 stages whose calls are compared with what was billed, by a name of your choice that stays: all REST and HTTP stages that this instance meters, as `api_name` (REST) or `api_id` (HTTP) and `stage` (none: nothing is compared);
    `thresholds.dead_letters` messages in the dead-letter queue (0: nobody is billed for what lies there);
    `thresholds.delivery_errors` log events that CloudWatch could not hand over in 5 minutes (0: some errors lose the event);
    `thresholds.key_refused` records queued in 15 minutes for want of a key that works (0: nothing is billed until there is one);
    `thresholds.metering_errors` failed invocations in 15 minutes (2: an event that is given up has failed three times);
    `thresholds.metering_throttles` throttled invocations in each of three periods of 5 minutes (0: Lambda tries again for 6 hours, a burst wakes nobody);
    `thresholds.missing_calls` and `thresholds.missing_percent` calls of a day, and share of them, that are neither billed nor skipped nor wait in the retry queue: both have to be exceeded (10, and 0.5: about what is on its way while traffic grows);
    `thresholds.queued_hours` hours that the oldest record has been tried (4, or half of `retry_hours` where that is less: Revenium is in trouble, and there is time to act).
  TEXT
  type = object({
    alarm_actions = optional(set(string), [])
    dashboard     = optional(bool, true)
    stages = optional(map(object({
      api_id   = optional(string)
      api_name = optional(string)
      stage    = string
    })), {})
    thresholds = optional(object({
      dead_letters       = optional(number, 0)
      delivery_errors    = optional(number, 0)
      key_refused        = optional(number, 0)
      metering_errors    = optional(number, 2)
      metering_throttles = optional(number, 0)
      missing_calls      = optional(number, 10)
      missing_percent    = optional(number, 0.5)
      queued_hours       = optional(number)
    }), {})
  })
  default = {}

  validation {
    condition     = alltrue([for action in try(var.monitoring.alarm_actions, []) : can(regex("^arn:aws(-[a-z]+)*:[a-z0-9-]+:", action))])
    error_message = "`monitoring.alarm_actions` must be ARNs of what CloudWatch alarms can call. Pass the ARN of an SNS topic, not its name or an e-mail address."
  }

  validation {
    condition     = length(try(var.monitoring.alarm_actions, [])) <= local.alarm_actions_max
    error_message = "`monitoring.alarm_actions` must be at most ${local.alarm_actions_max}, all that an alarm takes. Subscribe the others to an SNS topic."
  }

  validation {
    condition     = alltrue([for key in keys(try(var.monitoring.stages, {})) : can(regex("^[A-Za-z0-9_-]{1,32}$", key))])
    error_message = "`monitoring.stages` must have keys of 1 to 32 letters, digits, hyphens and underscores. Choose a short name for each stage."
  }

  validation {
    condition     = alltrue([for stage in values(try(var.monitoring.stages, {})) : (stage.api_name == null) != (stage.api_id == null)])
    error_message = "`monitoring.stages[*]` must have either `api_name` or `api_id`, as CloudWatch knows REST APIs by their name and HTTP APIs by their id. Leave the other out."
  }

  validation {
    condition     = alltrue([for stage in values(try(var.monitoring.stages, {})) : can(regex("^[a-z0-9]+$", coalesce(stage.api_id, "-"))) || stage.api_id == null])
    error_message = "`monitoring.stages[*].api_id` must be the id of an HTTP API: lower-case letters and digits. Pass `aws_apigatewayv2_api.<name>.id`, not a name or an ARN."
  }

  validation {
    condition     = alltrue([for stage in values(try(var.monitoring.stages, {})) : can(regex("^[ -~]+$", coalesce(stage.api_name, "-"))) && can(regex("^[$A-Za-z0-9_-]+$", stage.stage))])
    error_message = "`monitoring.stages[*].api_name` and `stage` must be as CloudWatch has them: a REST API's name without the characters beyond ASCII, and a stage's name without a slash. Copy both from the metrics of API Gateway."
  }

  validation {
    condition     = length(distinct([for stage in values(try(var.monitoring.stages, {})) : jsonencode(stage)])) == length(try(var.monitoring.stages, {}))
    error_message = "`monitoring.stages` must name each stage once, as its calls would count twice. Leave the second out."
  }

  validation {
    condition     = length(try(var.monitoring.stages, {})) <= local.monitored_stages_max
    error_message = "`monitoring.stages` must be at most 7, with `filter.statuses` at most 5, as an alarm takes 10 metrics. Divide the stages between two instances of the module, or empty `stages`."
  }

  validation {
    condition = alltrue([
      for name, value in try(var.monitoring.thresholds, {}) :
      value == null ? true : value >= 0 && (endswith(name, "_hours") || endswith(name, "_percent") || floor(value) == value)
    ])
    error_message = "`monitoring.thresholds` must be 0 or more, and those that count things whole numbers. Leave out what has a default."
  }

  validation {
    condition     = try(var.monitoring.thresholds.missing_percent, 0) <= 100
    error_message = "`monitoring.thresholds.missing_percent` must be a share of all calls, from 0 to 100. Use 0 to go by `missing_calls` alone."
  }

  validation {
    condition     = coalesce(try(var.monitoring.thresholds.queued_hours, 0), 0) < var.retry_hours
    error_message = "`monitoring.thresholds.queued_hours` must be less than `retry_hours`, after which a record is a dead letter. Leave time to act between the two."
  }
}

variable "name" {
  description = "Prefix of the name of everything the module creates; two instances in one account and region need two names. Another name replaces everything, with the logs and with what waits in the queues."
  type        = string
  default     = "revenium"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", var.name))
    error_message = "`name` must be letters, digits and hyphens, with no hyphen at either end. Replace other characters by hyphens."
  }

  validation {
    condition     = length(var.name) <= local.name_max_length
    error_message = "`name` must have at most ${local.name_max_length} characters, so that the role's name `<name>-metering-<region>` keeps to IAM's 64. Shorten it."
  }
}

variable "request_timeout_seconds" {
  description = "Seconds that one call to Revenium may take before it is tried again."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.request_timeout_seconds >= 1 && var.request_timeout_seconds <= 60 && floor(var.request_timeout_seconds) == var.request_timeout_seconds
    error_message = "`request_timeout_seconds` must be a whole number from 1 to 60. Leave it out for 10."
  }
}

variable "requests_per_second" {
  description = "Requests a second that Revenium takes from your account: with v2 each API call makes two, with `elements` three. A burst goes to the retry queue as soon as Revenium pushes back, and from there to Revenium at this rate."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.requests_per_second >= 1 && var.requests_per_second <= 1000000 && floor(var.requests_per_second) == var.requests_per_second
    error_message = "`requests_per_second` must be a whole number from 1 to 1000000. Use the limit that Revenium names for your account."
  }
}

variable "retry_hours" {
  description = "Hours that the retry queue tries a record before it becomes a dead letter. Above 23, v2 can count a record twice, since Revenium keeps idempotency keys for 24 hours."
  type        = number
  default     = 23
  nullable    = false

  validation {
    condition     = var.retry_hours >= 1 && var.retry_hours <= 168 && floor(var.retry_hours) == var.retry_hours
    error_message = "`retry_hours` must be a whole number from 1 to 168. Leave it out for 23."
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

variable "sources" {
  description = "Source ids of Revenium that usage belongs to, by a name of your choice: `api_id` and `route` (as API Gateway has it: `/products/{id}`, `sendMessage`) say for what, the most specific entry wins, and one without both is for everything else. Without an entry Revenium finds or makes a source by the resource."
  type = map(object({
    api_id    = optional(string)
    route     = optional(string)
    source_id = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for source in var.sources : source.route == null || source.api_id != null])
    error_message = "`sources[*].route` must come with an `api_id`, as every API has routes of its own. Add the API's id."
  }

  validation {
    condition     = alltrue([for source in var.sources : source.api_id == null || can(regex("^[a-z0-9]+$", source.api_id))])
    error_message = "`sources[*].api_id` must be the id of an API: lower-case letters and digits. Copy it from the API Gateway console, or leave it out for everything else."
  }

  validation {
    condition     = length(distinct([for source in var.sources : "${coalesce(source.api_id, " ")} ${coalesce(source.route, " ")}"])) == length(var.sources)
    error_message = "`sources` must have one entry for an `api_id` and `route`, and one without both. Leave the second out."
  }

  validation {
    condition     = alltrue([for source in var.sources : can(regex("^[!-~]{1,128}$", source.source_id)) && (source.route == null || can(regex("^[!-~]+$", source.route)))])
    error_message = "`sources[*].source_id` must be 1 to 128 characters, and a `route` 1 or more, of printable ASCII without spaces. Copy the id from Revenium and the route from API Gateway, without a method."
  }
}

variable "subscription" {
  description = "Subscription (product key) that usage belongs to, with v1 only: an id, or a text in which `{key}` stands for an access-log field, such as `{subscription}`. Without a value in the field none is sent."
  type        = string
  default     = null

  validation {
    condition     = var.subscription == null || var.metering_api == "v1"
    error_message = "`subscription` must be left out unless `metering_api` is v1: v2 has no such field. Leave it out to go by the client id, or use v1."
  }

  validation {
    condition     = can(regex("^[!-~]{1,128}$", coalesce(var.subscription, "-")))
    error_message = "`subscription` must be 1 to 128 characters of printable ASCII without spaces. Leave it out to send none."
  }

  validation {
    condition     = alltrue([for slot in regexall("\\{([^}]*)\\}", coalesce(var.subscription, "-")) : contains(local.access_log_readable_keys, slot[0])])
    error_message = "`subscription` must name access-log keys between braces: ${join(", ", local.access_log_keys_of_ours)}, or a key of `extra_log_fields`. Add what is missing there."
  }
}

variable "tags" {
  description = "Tags of everything that is made and takes tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "timeout_seconds" {
  description = "Seconds that one invocation of the function may take. What is not delivered by then goes to the retry queue, for which 10 of them are kept."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 30 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "`timeout_seconds` must be a whole number from 30 to 900. Leave it out for 60."
  }

  validation {
    condition     = var.timeout_seconds >= (length(var.elements) == 0 ? 2 : 3) * var.request_timeout_seconds + 15
    error_message = "`timeout_seconds` must be at least 2 * `request_timeout_seconds` + 15, with `elements` 3 * `request_timeout_seconds` + 15: room for every request of one call, and for queueing what is left. Raise it, or lower `request_timeout_seconds`."
  }
}

variable "v1_unanswered" {
  description = "What becomes of a v1 call that may or may not have been counted (no answer, or 408 or 5xx other than 503): `park` makes it a dead letter, for you to decide; `resend` tries again, and may count it twice. v2 needs no such choice."
  type        = string
  default     = "park"
  nullable    = false

  validation {
    condition     = contains(["park", "resend"], var.v1_unanswered)
    error_message = "`v1_unanswered` must be one of park, resend. Leave it out for park."
  }
}

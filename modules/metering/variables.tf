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

variable "existing_log_group" {
  description = "Existing log group that API Gateway stages write access logs to, by its ARN (with or without a trailing `:*`), in this account and region and of the Standard class. Null has the module create one."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.existing_log_group == null || can(regex("^arn:aws(-[a-z]+)*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[A-Za-z0-9_/.#-]+(:\\*)?$", var.existing_log_group.arn))
    error_message = "`existing_log_group.arn` must be the ARN of a CloudWatch log group. Copy it from the log group, or leave `existing_log_group` out to have one created."
  }

  validation {
    condition     = var.existing_log_group == null || !endswith(trimsuffix(try(var.existing_log_group.arn, ""), ":*"), ":log-group:/aws/lambda/${var.name}-metering")
    error_message = "`existing_log_group.arn` must not be the metering function's own log group: each of its lines would call it again. Name the group that the API Gateway stages write to."
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

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the access logs (unless `existing_log_group` is set) and the function's logs."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains(local.log_retention_allowed, var.log_retention_days)
    error_message = "`log_retention_days` must be one of ${join(", ", local.log_retention_allowed)}. Choose the next longer one."
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
  description = "Requests a second that Revenium takes from your account: with v2 each API call makes two. A burst goes to the retry queue as soon as Revenium pushes back, and from there to Revenium at this rate."
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
    condition     = var.timeout_seconds >= 2 * var.request_timeout_seconds + 15
    error_message = "`timeout_seconds` must be at least 2 * `request_timeout_seconds` + 15: room for both calls of one record, and for queueing what is left. Raise it, or lower `request_timeout_seconds`."
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

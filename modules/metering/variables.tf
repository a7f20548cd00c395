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

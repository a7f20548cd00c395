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

variable "cache_ttl_seconds" {
  description = "Seconds that API Gateway repeats the answer for a client id without asking again: how long a lost entitlement still lets a caller in, and how long a new one stays shut out. 0 asks on every call."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.cache_ttl_seconds >= 0 && var.cache_ttl_seconds <= 3600 && floor(var.cache_ttl_seconds) == var.cache_ttl_seconds
    error_message = "`cache_ttl_seconds` must be a whole number from 0 to 3600. Use 0 for no cache."
  }
}

variable "client_id_header" {
  description = "Request header that carries the caller's client id. A call without it is turned away: with 401 and without asking the function, unless `cache_ttl_seconds` is 0."
  type        = string
  default     = "clientId"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", var.client_id_header))
    error_message = "`client_id_header` must be the name of an HTTP header: letters, digits and !#$%&'*+.^_|~- without spaces or a colon. Leave it out for clientId."
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
  description = "Seconds to wait for Revenium's answer before `on_error` decides. API Gateway waits 10 s for the function as a whole."
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
  description = "Answer to a caller while Revenium cannot be asked: `deny` shuts all callers out, `allow` lets all in."
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
    condition     = length(var.rest_apis) + length(var.http_apis) <= 50
    error_message = "`rest_apis` and `http_apis` must name at most 50 APIs together, the permissions that fit into one function's policy of 20,480 bytes. Move some to a second instance with another `name`."
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

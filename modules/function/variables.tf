variable "description" {
  description = "What the function does, for the reader of the Lambda console."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the function's logs; checked by the calling module."
  type        = number
  nullable    = false
}

variable "name" {
  description = "Name of the function; its log group is `/aws/lambda/<name>`."
  type        = string
  nullable    = false
}

variable "package" {
  description = "Folder below `functions/` with the function's own code and its `handler.py`; `revenium/` comes along. Also the function's key in the maps of `functions`."
  type        = string
  nullable    = false
}

variable "role_name" {
  description = "Name of the function's role, where one is made."
  type        = string
  nullable    = false
}

variable "runtime" {
  description = "Lambda runtime of the function; checked by the calling module."
  type        = string
  nullable    = false
}

variable "timeout_seconds" {
  description = "Seconds that one invocation may take."
  type        = number
  nullable    = false
}

variable "environment" {
  description = "Environment variables of the function. No secrets: they are in the state."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "extra_files" {
  description = "Files to put into the zip beside the package, by their path in it: their content."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "functions" {
  description = "What the package's functions have in common, as the root's user wrote it; checked here for all of them."
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

  validation {
    condition     = var.functions.ca_certificate_file == null || can(regex("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", file(var.functions.ca_certificate_file)))
    error_message = "`functions.ca_certificate_file` must be the path of a file with at least one certificate in PEM (`-----BEGIN CERTIFICATE-----`). Put the certificate of the authority that signed your Revenium instance's into a file, or leave it out for a public one."
  }

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.functions.iam_path)) && length(var.functions.iam_path) <= 512
    error_message = "`functions.iam_path` must begin and end with `/`, in at most 512 printable ASCII characters (`/platform/`). Add the slashes, or leave it out for `/`."
  }

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.functions.log_level)
    error_message = "`functions.log_level` must be DEBUG, INFO, WARNING or ERROR. Use one of these, or leave it out for INFO."
  }

  validation {
    condition     = var.functions.permissions_boundary_arn == null || can(regex("^arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/.+$", var.functions.permissions_boundary_arn))
    error_message = "`functions.permissions_boundary_arn` must be the ARN of an IAM policy (`arn:aws:iam::123456789012:policy/<name>`). Copy it from the policy, or leave it out."
  }

  validation {
    condition     = length(setsubtract(keys(var.functions.reserved_concurrency), ["authorizer", "metering"])) == 0
    error_message = "`functions.reserved_concurrency` must have no other keys than `authorizer` and `metering`. Leave the others out: the function behind `existing_stages` runs during an apply alone."
  }

  validation {
    condition     = alltrue([for number in values(var.functions.reserved_concurrency) : coalesce(number, 0) >= 3 && coalesce(number, 0.5) == floor(coalesce(number, 0.5))])
    error_message = "`functions.reserved_concurrency` must be whole numbers, 3 or more: two instances of the metering function may be busy with the retry queue. Raise it, or leave it out for the account's own limit."
  }

  validation {
    condition     = length(setsubtract(keys(var.functions.roles), ["authorizer", "metering", "stage_logging"])) == 0
    error_message = "`functions.roles` must have no other keys than `authorizer`, `metering` and `stage_logging`. Rename the key to that of the function the role is for."
  }

  validation {
    condition     = alltrue([for role in values(var.functions.roles) : can(regex("^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/.+$", role.arn))])
    error_message = "`functions.roles[*].arn` must be the ARN of an IAM role (`arn:aws:iam::123456789012:role/<name>`). Copy it from the role, or leave the entry out to have one made."
  }

  validation {
    condition     = var.functions.vpc == null || try(length(var.functions.vpc.subnet_ids) > 0 && length(var.functions.vpc.security_group_ids) > 0, false)
    error_message = "`functions.vpc` must name at least one subnet in `subnet_ids` and one security group in `security_group_ids`. Name them, or leave `vpc` out: the functions then reach the internet without one."
  }
}

variable "kms_key" {
  description = "Customer-managed KMS key for the log group and the environment; null for AWS's own."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key.arn))
    error_message = "`kms_key.arn` must be the ARN of a KMS key (`...:key/<id>`), not an alias or a bare id. Copy the key's ARN, or leave `kms_key` out for AWS's own keys."
  }
}

variable "memory_size" {
  description = "MB of memory of the function; CPU comes with it."
  type        = number
  default     = 256
  nullable    = false
}

variable "policies" {
  description = "What the function may do beside writing its logs: JSON policies for its role, by their names."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that takes tags; checked here for all of it."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 50 && alltrue([for key, value in var.tags : can(regex("^[^\\x00-\\x1f]{1,128}$", key)) && !startswith(lower(key), "aws:") && length(coalesce(value, " ")) <= 256])
    error_message = "`tags` must be at most 50, with keys of 1 to 128 characters that do not begin with `aws:` and values of at most 256. Shorten or leave out what is beyond."
  }
}

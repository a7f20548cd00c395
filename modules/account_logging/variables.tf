variable "iam_path" {
  description = "Path of the role, where policies of yours go by paths."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.iam_path)) && length(var.iam_path) <= 512
    error_message = "`iam_path` must begin and end with `/`, in at most 512 printable ASCII characters (`/platform/`). Add the slashes, or leave it out for `/`."
  }
}

variable "name" {
  description = "Prefix of the role's name. Another name replaces the role; logs go on meanwhile."
  type        = string
  default     = "revenium"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", var.name))
    error_message = "`name` must be letters, digits and hyphens, with no hyphen at either end. Replace other characters by hyphens."
  }

  validation {
    condition     = length(var.name) <= 64 - length("-api-gateway-logs-") - 15
    error_message = "`name` must have at most 31 characters, so that the role's name `<name>-api-gateway-logs-<region>` keeps to IAM's 64. Shorten it."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the role; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "`permissions_boundary_arn` must be the ARN of an IAM policy (`arn:aws:iam::123456789012:policy/<name>`). Copy it from the policy, or leave it out."
  }
}

variable "tags" {
  description = "Tags of the role, beside those of the provider."
  type        = map(string)
  default     = {}
  nullable    = false
}

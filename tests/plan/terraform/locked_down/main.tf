# Everything that a security department may ask for, at once; and the same with roles of its own.
locals {
  certificate = "${path.root}/../../../../modules/function/tests/ca.pem"
}

module "locked_down" {
  source = "../../../.."

  name            = "locked-down"
  api_key_secret  = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  existing_stages = { shop = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" } }
  rest_apis       = { shop = { id = "abcdef1234" } }
  kms_key         = { arn = "arn:aws:kms:us-east-1:123456789012:key/0a1b" }
  tags            = { team = "platform" }

  functions = {
    ca_certificate_file      = local.certificate
    iam_path                 = "/platform/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    reserved_concurrency     = { authorizer = 100, metering = 20 }
    tracing                  = true
    vpc                      = { security_group_ids = ["sg-0a1b"], subnet_ids = ["subnet-0a1b", "subnet-2c3d"] }
  }
}

resource "aws_iam_role" "own" {
  for_each = toset(["authorizer", "metering", "stage_logging"])

  name               = each.key
  assume_role_policy = "{}"
}

module "own_roles" {
  source = "../../../.."

  name            = "own-roles"
  api_key_secret  = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf" }
  existing_stages = { shop = { kind = "REST", api_id = "f6g7h8i9j0", stage = "live" } }
  functions       = { roles = { for name, role in aws_iam_role.own : name => { arn = role.arn } } }
}

module "own_key" {
  source = "../../../.."

  name    = "own-key"
  api_key = var.api_key
  kms_key = { create = true }
}

variable "api_key" {
  type      = string
  ephemeral = true
  default   = "hak_0123456789"
}

output "role_policies" {
  value = { for instance, each in { locked_down = module.locked_down, own_roles = module.own_roles } : instance => each.role_policies }
}
